"""Ask an AWS account what a fleet will need of it. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from provision.config.environment import Environment
from provision.connectors.aws_client import AwsClients, code_of
from provision.errors import CloudError
from provision.facts.account import AccountFacts, Certificate, MachineImage, quota_of

_GONE = ("ResourceNotFoundException", "InvalidAMIID.NotFound", "InvalidAMIID.Malformed")


def look(environment: Environment, *, aws: AwsClients | None = None) -> AccountFacts:
    """Everything at once. A question that is refused stays unknown, with the reason."""
    calls = _Questions(environment, aws or AwsClients(environment))
    questions: dict[str, Callable[[], Any]] = {
        "identity": calls.identity,
        "quota_vcpus": calls.quota_vcpus,
        "zones": calls.zones,
        "offered": calls.offered,
        "lambda_concurrency": calls.lambda_concurrency,
        "certificate": calls.certificate,
        "hub_token": calls.hub_token,
        "image": calls.image,
        "s3": calls.s3,
        "ecr": calls.ecr,
    }
    with ThreadPoolExecutor(len(questions)) as pool:
        asked = {name: pool.submit(_answer, question) for name, question in questions.items()}
    answers = {name: future.result() for name, future in asked.items()}
    return AccountFacts(
        **{name: value for name, (value, error) in answers.items() if not error},
        errors={name: error for name, (_, error) in answers.items() if error},
    )


def _answer(question: Callable[[], Any]) -> tuple[Any, str]:
    try:
        return question(), ""
    except CloudError as error:
        return None, str(error.message)


class _Questions:
    """One method for each field of AccountFacts; raises CloudError where AWS gives no answer."""

    def __init__(self, environment: Environment, aws: AwsClients) -> None:
        self._environment = environment
        self._aws = aws

    def identity(self) -> str:
        return str(self._aws.call("sts", "get_caller_identity", "the account")["Arn"])

    def quota_vcpus(self) -> float | None:
        fleet = self._environment.fleet
        quota = quota_of(fleet.instance_type, fleet.purchase)
        if quota is None:
            return None
        asked = self._aws.call(
            *("service-quotas", "get_service_quota", quota.name),
            ServiceCode="ec2",
            QuotaCode=quota.code,
        )
        return float(asked["Quota"]["Value"])

    def zones(self) -> tuple[str, ...]:
        asked = self._aws.call("ec2", "describe_availability_zones", "the region")
        usable = (zone for zone in asked["AvailabilityZones"] if zone["State"] == "available")
        return tuple(sorted(zone["ZoneName"] for zone in usable))

    def offered(self) -> tuple[str, ...]:
        kind = self._environment.fleet.instance_type
        pages = self._aws.pages(
            *("ec2", "describe_instance_type_offerings", kind),
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": [kind]}],
        )
        offers = (offer for page in pages for offer in page["InstanceTypeOfferings"])
        return tuple(sorted(offer["Location"] for offer in offers))

    def lambda_concurrency(self) -> int:
        asked = self._aws.call("lambda", "get_account_settings", "the account")
        return int(asked["AccountLimit"]["ConcurrentExecutions"])

    def certificate(self) -> Certificate | None:
        arn = self._environment.load_balancer.certificate_arn
        if arn is None:
            return None
        asked = self._aws.call("acm", "describe_certificate", arn, CertificateArn=arn)
        said = asked["Certificate"]
        return Certificate(said["Status"], said.get("DomainName", ""))

    def hub_token(self) -> bool | None:
        name = f"{self._environment.secret_root}/hub-token"
        asked = self._unless_gone("secretsmanager", "describe_secret", name, SecretId=name)
        return None if asked is None else bool(asked.get("VersionIdsToStages"))

    def image(self) -> MachineImage | None:
        ami = self._environment.fleet.ami
        if ami is None:
            return None
        asked = self._unless_gone("ec2", "describe_images", ami, ImageIds=[ami])
        found = asked["Images"] if asked else []
        return next((_image(one) for one in found), None)

    def s3(self) -> bool:
        self._aws.call("s3", "list_buckets", "S3")
        return True

    def ecr(self) -> bool:
        self._aws.call("ecr", "get_authorization_token", "ECR")
        return True

    def _unless_gone(self, service: str, operation: str, resource: str, **parameters: Any) -> Any:
        try:
            return self._aws.call(service, operation, resource, **parameters)
        except CloudError as error:
            if code_of(error) in _GONE:
                return None
            raise


def _image(said: dict[str, Any]) -> MachineImage:
    text = f"{said.get('Name', '')} {said.get('Description', '')}".strip()
    return MachineImage(text, said["State"])
