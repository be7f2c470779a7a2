"""The rehearsal's AWS account is made up, and so are the credentials for it."""

from __future__ import annotations

from typing import Any

import boto3


def session(region: str) -> Any:
    """A boto3 session that never looks for the person's own credentials."""
    return boto3.Session(
        aws_access_key_id="rehearsal", aws_secret_access_key="rehearsal", region_name=region
    )
