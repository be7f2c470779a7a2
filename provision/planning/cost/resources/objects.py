"""What is kept in S3 and ECR."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.month import Month, Pricer

PARTS_PER_GB = 128  # uploads go in parts of 8 MiB
FILES_PER_RELEASE = 30
READS_PER_RELEASE = 100  # by one host: the release's files and the weights'


def bucket(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """The weights' revisions, one of them uploaded a month; releases weigh next to nothing."""
    usage = month.usage
    if month.weights_gb is None:
        name = month.environment.model.name
        reason = f"the catalogue lacks {name}: usage.weights_gb says how large it is"
        yield Unbilled(resource.name, resource.type, reason)
        return
    kept = month.weights_gb * usage.weights_revisions
    files = usage.releases_per_month * FILES_PER_RELEASE
    written = month.weights_gb * PARTS_PER_GB + files
    read = Decimal(month.hosts * usage.releases_per_month * READS_PER_RELEASE)
    note = f"{usage.weights_revisions} revisions"
    yield month.line(resource, "weights", "GB-month", kept, "s3.gb_month", assumed=True, note=note)
    yield month.line(
        resource, "requests that write", "1k requests", written / 1000, "s3.put_1k", assumed=True
    )
    yield month.line(
        resource, "requests that read", "1k requests", read / 1000, "s3.get_1k", assumed=True
    )


def repository(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """Images that share no layers."""
    usage = month.usage
    stored = usage.image_gb * usage.images_stored
    note = f"{usage.images_stored} that share no layers"
    yield month.line(
        resource, "images", "GB-month", stored, "ecr.gb_month", assumed=True, note=note
    )


PRICED: Mapping[str, Pricer] = {
    "aws:s3/bucket:Bucket": bucket,
    "aws:ecr/repository:Repository": repository,
}
