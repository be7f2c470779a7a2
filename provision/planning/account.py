"""Whether an AWS account can hold the fleet that an environment asks for."""

from __future__ import annotations

import re

from provision.catalog.instances import instance_type
from provision.catalog.models import model
from provision.config.environment import Environment
from provision.errors import CatalogError
from provision.facts.account import AccountFacts, quota_of
from provision.planning import driver
from provision.planning.finding import Finding, failed, ok, unknown

# What a reservation for the fallback switch must leave to the rest of the account (AWS's rule).
_UNRESERVED = 100

# "NVIDIA driver 580.95", "Nvidia Driver version: 595.91.07", "R580"
_DRIVER = re.compile(r"(?i)\bR(\d{3})\b|driver(?: version)?:? v?(\d{3})\.\d+")


def judge(environment: Environment, facts: AccountFacts) -> tuple[Finding, ...]:
    """Every check; unknown where AWS refused to answer."""
    checks = (_identity, _quota, _zones, _image, _driver, _certificate, _hub_token, _lambda)
    reach = (_reachable("s3", facts.s3, facts), _reachable("ecr", facts.ecr, facts))
    return (*(check(environment, facts) for check in checks), *reach)


def _identity(environment: Environment, facts: AccountFacts) -> Finding:
    if facts.identity is None:
        profile = f" --profile {environment.aws.profile}" if environment.aws.profile else ""
        return _no_answer("credentials", "identity", facts, f"aws sts get-caller-identity{profile}")
    return ok("credentials", facts.identity)


def _quota(environment: Environment, facts: AccountFacts) -> Finding:
    fleet = environment.fleet
    quota = quota_of(fleet.instance_type, fleet.purchase)
    if fleet.capacity_block:
        return ok("quota", "a capacity block does not count against on-demand quotas")
    if quota is None:
        cause = f"the quota of {fleet.purchase.value} {fleet.instance_type} is not known here"
        return unknown("quota", cause, "aws service-quotas list-service-quotas --service-code ec2")
    command = (
        f"aws service-quotas get-service-quota --service-code ec2 --quota-code {quota.code}"
        f" --region {environment.region}"
    )
    if facts.quota_vcpus is None:
        return _no_answer("quota", "quota_vcpus", facts, command)
    try:
        each = instance_type(fleet.instance_type).vcpus
    except CatalogError as error:
        return unknown("quota", error.message)
    hosts = max(fleet.hosts, fleet.max_hosts or 0)
    needed, there = hosts * each, f"{facts.quota_vcpus:.0f} ({quota.name})"
    if facts.quota_vcpus < needed:
        cause = f"{hosts} x {fleet.instance_type} take {needed} vCPUs, the account may run {there}"
        ask = command.replace("get-service-quota", "request-service-quota-increase")
        return failed("quota", cause, f"{ask} --desired-value {needed}")
    return ok("quota", f"{needed} of {there} vCPUs, if nothing else runs")


def _zones(environment: Environment, facts: AccountFacts) -> Finding:
    kind, wanted = environment.fleet.instance_type, environment.fleet.zones
    command = (
        "aws ec2 describe-instance-type-offerings --location-type availability-zone"
        f" --filters Name=instance-type,Values={kind} --region {environment.region}"
    )
    if facts.offered is None:
        return _no_answer("zones", "offered", facts, command)
    usable = [zone for zone in facts.offered if facts.zones is None or zone in facts.zones]
    if len(usable) < wanted:
        where = ", ".join(usable) or "none"
        cause = f"{kind} is offered in {where} of {environment.region}; {wanted} zone(s) are wanted"
        return failed("zones", cause, command)
    return ok("zones", f"{kind} is offered in {', '.join(usable)}")


def _image(environment: Environment, facts: AccountFacts) -> Finding:
    ami = environment.fleet.ami
    if ami is None:
        cause = "no machine image is pinned, so hosts could differ"
        return failed("machine-image", cause, "fab config.refresh-ami")
    command = f"aws ec2 describe-images --image-ids {ami} --region {environment.region}"
    if "image" in facts.errors:
        return _no_answer("machine-image", "image", facts, command)
    if facts.image is None:
        cause = f"{ami} is not in {environment.region}, or is no longer shared"
        return failed("machine-image", cause, "fab config.refresh-ami")
    if facts.image.state != "available":
        return failed("machine-image", f"{ami} is {facts.image.state}", "fab config.refresh-ami")
    return ok("machine-image", f"{ami}: {facts.image.text[:80]}")


def _driver(environment: Environment, facts: AccountFacts) -> Finding:
    name, engine = "driver-version", environment.engine
    needed = driver.least_branch(engine.image, engine.env)
    said = _DRIVER.search(facts.image.text) if facts.image else None
    if needed is None:
        return unknown(name, f"the name {engine.image} does not tell which driver it needs")
    if said is None:
        why = (
            "the machine image's name does not tell its driver"
            if facts.image
            else "no image is known"
        )
        cause = f"{engine.image} needs R{needed}; {why}"
        return unknown(name, cause, "read the image's release notes; `fab doctor` asks the hosts")
    branch = int(said[1] or said[2])
    if old := driver.too_old(branch, engine.image, engine.env):
        return failed(name, old, "fab config.refresh-ami")
    return ok(name, f"R{branch}; {engine.image} needs R{needed}")


def _certificate(environment: Environment, facts: AccountFacts) -> Finding:
    arn = environment.load_balancer.certificate_arn
    if arn is None:
        return ok("certificate", "none is set: the load balancer is internal and speaks HTTP")
    if arn.split(":")[3:4] != [environment.region]:
        cause = f"{arn} is not in {environment.region}, where the load balancer is"
        return failed(
            "certificate", cause, f"aws acm list-certificates --region {environment.region}"
        )
    command = f"aws acm describe-certificate --certificate-arn {arn} --region {environment.region}"
    if facts.certificate is None:
        return _no_answer("certificate", "certificate", facts, command)
    if facts.certificate.status != "ISSUED":
        return failed("certificate", f"{arn} is {facts.certificate.status}", command)
    return ok("certificate", f"issued for {facts.certificate.domain}")


def _hub_token(environment: Environment, facts: AccountFacts) -> Finding:
    name, secret = "hub-token", f"{environment.secret_root}/hub-token"
    put = f"aws secretsmanager put-secret-value --secret-id {secret} --secret-string hf_..."
    if facts.hub_token:
        return ok(name, f"{secret} has a value")
    gated = _gated(environment)
    if gated is False:
        return ok(name, f"{environment.model.name} is not gated, none is needed")
    what = f"{environment.model.name} is{' ' if gated else ' perhaps '}gated"
    if "hub_token" in facts.errors:
        return _no_answer(name, "hub_token", facts, put)
    if facts.hub_token is None:
        return unknown(name, f"{what}; `pulumi up` makes {secret}, then give it a token", put)
    return (failed if gated else unknown)(name, f"{what}, and {secret} is empty", put)


def _gated(environment: Environment) -> bool | None:
    try:
        return model(environment.model.name).gated
    except CatalogError:
        return None


def _lambda(_environment: Environment, facts: AccountFacts) -> Finding:
    name = "lambda-concurrency"
    if facts.lambda_concurrency is None:
        command = "aws lambda get-account-settings"
        return _no_answer(name, "lambda_concurrency", facts, command)
    count = facts.lambda_concurrency
    if count <= _UNRESERVED:
        return ok(name, f"{count} at once: too few to reserve any, and none is needed")
    return ok(name, f"{count} at once")


def _reachable(name: str, answered: bool | None, facts: AccountFacts) -> Finding:
    if answered:
        return ok(name, "answers")
    return _no_answer(name, name, facts, "aws sts get-caller-identity")


def _no_answer(check: str, field: str, facts: AccountFacts, command: str) -> Finding:
    return unknown(check, facts.errors.get(field, "AWS gave no answer"), command)
