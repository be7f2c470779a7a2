"""Patterns of AWS's models, as Python reads them."""

from __future__ import annotations

import botocore.session
import pytest

from rehearsal.strict.patterns import compiled

SERVICES = (
    *("autoscaling", "cloudwatch", "dlm", "ec2", "ecr", "elbv2", "iam", "kms", "logs", "s3"),
    *("secretsmanager", "sns", "ssm", "sts"),
)


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_the_services_in_use_is_checked(service: str) -> None:
    """A pattern that Python could not read would be a check that never refuses."""
    model = botocore.session.get_session().get_service_model(service)
    patterns = {
        pattern
        for name in model.shape_names
        if (pattern := model.shape_for(name).metadata.get("pattern"))
    }
    assert {pattern for pattern in patterns if compiled(pattern) is None} == set()


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$", "llm-fleet:owner = Zoë", "a*b"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "a \U0001f600\n", "\x00"),
        (r"[\p{all}]*", "anything\n*", None),
        (r"^arn:aws[a-z0-9-]*:iam::\d{12}:role\/[\w-\/.@+=,]{1,1017}$", None, "role/x"),
    ],
)
def test_java_classes_are_understood(pattern: str, good: str | None, bad: str | None) -> None:
    """Letters, separators, surrogates and loose dashes."""
    expression = compiled(pattern)
    assert expression is not None
    if good is not None:
        assert expression.fullmatch(good)
    if bad is not None:
        assert not expression.fullmatch(bad)
