"""Objects with the version and the times that S3 gave them, and writes that need a version."""

from __future__ import annotations

from provision.connectors.aws_client import AwsClients, answer_of, code_of, server_time
from provision.connectors.protocols import Stamped, Written
from provision.errors import CloudError, Conflict

_NO_OBJECT = {"NoSuchKey", "404"}
_CONFLICTS = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


def read(aws: AwsClients, bucket: str, key: str) -> Stamped:
    """The object, or the server's time alone when there is none."""
    where = f"s3://{bucket}/{key}"
    try:
        found = aws.call("s3", "get_object", where, Bucket=bucket, Key=key)
    except CloudError as error:
        if code_of(error) in _NO_OBJECT:
            return Stamped(server_time(answer_of(error), where))
        raise
    return Stamped(
        read_at=server_time(found, where),
        data=aws.read(found["Body"], "s3:get_object", where),
        etag=str(found["ETag"]),
        written_at=found["LastModified"].timestamp(),
    )


def write(aws: AwsClients, bucket: str, key: str, data: bytes, *, etag: str | None) -> Written:
    """Write the object if it still has this *etag*, or (None) if there is none; else Conflict."""
    where = f"s3://{bucket}/{key}"
    condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
    try:
        done = aws.call("s3", "put_object", where, Bucket=bucket, Key=key, Body=data, **condition)
    except CloudError as error:
        code = code_of(error)
        if code in _CONFLICTS or (etag and code in _NO_OBJECT):
            hint = "run the same command again"
            raise Conflict(f"{where} was written by somebody else meanwhile", hint=hint) from error
        raise
    return Written(str(done["ETag"]), server_time(done, where))
