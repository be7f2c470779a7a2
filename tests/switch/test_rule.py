"""The traffic rule, as ELB shows it and as people leave it."""

from __future__ import annotations

from typing import Any

import pytest

from provision.switch.errors import SwitchError
from provision.switch.rule import Groups, moved, read

GROUPS = Groups("arn:primary", "arn:fallback")


def forward(*weights: tuple[str, int], **others: Any) -> dict[str, Any]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}, **others}


@pytest.mark.parametrize(
    ("weights", "share"),
    [
        ((("arn:primary", 100), ("arn:fallback", 0)), 100),
        ((("arn:fallback", 100), ("arn:primary", 0)), 0),
        ((("arn:primary", 1), ("arn:fallback", 0)), 100),
        ((("arn:primary", 7), ("arn:fallback", 3)), 70),
        ((("arn:primary", 1), ("arn:fallback", 2)), 33),
        ((("arn:primary", 999), ("arn:fallback", 1)), 99),
        ((("arn:primary", 1), ("arn:fallback", 999)), 1),
        ((("arn:primary", 1),), 100),
        ((("arn:fallback", 1),), 0),
    ],
)
def test_weights_are_shares(weights: tuple[tuple[str, int], ...], share: int) -> None:
    """A little of something is never nothing, nor all of it."""
    assert read([forward(*weights)], GROUPS).share == share


def test_a_forward_without_weights_goes_to_its_group() -> None:
    """As the console writes it."""
    assert read([{"Type": "forward", "TargetGroupArn": "arn:primary"}], GROUPS).share == 100


@pytest.mark.parametrize(
    "actions",
    [
        [],
        [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}],
        [forward(("arn:primary", 100), ("arn:stranger", 0))],
        [forward(("arn:stranger", 1))],
        [forward(("arn:primary", 0), ("arn:fallback", 0))],
    ],
)
def test_a_rule_that_is_not_ours_any_more_is_left_alone(actions: list[dict[str, Any]]) -> None:
    """Whoever edited it gets told, and nothing is written over it."""
    with pytest.raises(SwitchError, match="the traffic rule was edited"):
        read(actions, GROUPS)


def test_other_weights_keep_the_rest_of_the_rule() -> None:
    """A log-in before the forward stays; stickiness goes."""
    login = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {"Issuer": "x"}}
    sticky = forward(("arn:primary", 100), Order=2, TargetGroupArn="arn:primary")
    sticky["ForwardConfig"]["TargetGroupStickinessConfig"] = {"Enabled": True}
    assert moved(read([login, sticky], GROUPS), 5, GROUPS) == [
        login,
        {
            "Type": "forward",
            "Order": 2,
            "ForwardConfig": {
                "TargetGroups": [
                    {"TargetGroupArn": "arn:primary", "Weight": 5},
                    {"TargetGroupArn": "arn:fallback", "Weight": 95},
                ],
                "TargetGroupStickinessConfig": {"Enabled": False},
            },
        },
    ]
