"""The document that `pulumi up` leaves for tasks: this version's, or a clear word about it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from provision.errors import OutputsMissing
from provision.facts.outputs import FallbackOutputs, parse
from provision.testing.samples import fallback_outputs, outputs


@pytest.mark.parametrize("fallback", [None, fallback_outputs()])
def test_it_comes_back_as_it_was_written(fallback: FallbackOutputs | None) -> None:
    """With a way out and without."""
    written = replace(outputs(), fallback=fallback)
    assert parse(written.to_json(), parameter="/p") == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({**asdict(outputs()), "schema": 1}), "schema 1, not 2"),
        (json.dumps({**asdict(outputs()), "schema": 3}), "schema 3, not 2"),
        (json.dumps(asdict(outputs())), "'schema'"),
        (json.dumps({"schema": 2, "environment": "test"}), "'region'"),
        (
            json.dumps({**asdict(outputs()), "schema": 2, "fallback": {"spend_table": "t"}}),
            "'switch_function'",
        ),
        (json.dumps({**asdict(outputs()), "schema": 2, "fallback": "yes"}), "string indices"),
        ("{", "Expecting"),
        ("[]", "integer"),
    ],
)
def test_another_version_s_document_names_what_to_do(text: str, said: str) -> None:
    """Written by a program before or after this one, or not by the program at all."""
    with pytest.raises(OutputsMissing, match="is not an outputs document of this version") as found:
        parse(text, parameter="/llm-fleet/test/outputs")
    assert said in found.value.message
    assert "/llm-fleet/test/outputs" in found.value.message
    assert found.value.hint == "run `pulumi up` with this version of llm-fleet"
