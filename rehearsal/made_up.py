"""The rehearsal's AWS account is made up, and so are the credentials for it."""

from __future__ import annotations

from typing import Any

import boto3

# As AWS gives them to what runs there.
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "rehearsal",
    "AWS_SECRET_ACCESS_KEY": "rehearsal",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def session(region: str) -> Any:
    """A boto3 session that never looks for the person's own credentials."""
    return boto3.Session(
        aws_access_key_id=VARIABLES["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=VARIABLES["AWS_SECRET_ACCESS_KEY"],
        region_name=region,
    )
