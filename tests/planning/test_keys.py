"""What is done to the document of client keys."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.agent import keys as agent
from provision.errors import FleetError, UsageError
from provision.gateway import counter, priorities
from provision.planning.keys import (
    PRIORITIES,
    RANDOM_BYTES,
    Key,
    Keys,
    add,
    new_text,
    parse,
    parse_grace,
    revoke,
    rotate,
    rows,
    set_priority,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
OLD, NEW, NEWEST = (new_text(bytes([byte]) * RANDOM_BYTES) for byte in (1, 2, 3))


def known(keys: Keys, text: str, *, at: datetime = NOW) -> str | None:
    """Who the host program takes the holder of *text* for."""
    return agent.name_of(agent.parse(keys.to_json()), f"Bearer {text}", at.timestamp())


class TestAdd:
    def test_only_the_hash_is_stored(self) -> None:
        """The document, compared whole: the text is nowhere in it."""
        keys = add(Keys({}), "search", OLD, now=NOW)

        assert json.loads(keys.to_json()) == {
            "version": 1,
            "keys": {
                "search": {
                    "sha256": hashlib.sha256(OLD.encode()).hexdigest(),
                    "created": "2026-11-21T12:00:00+00:00",
                    "previous_sha256": None,
                    "previous_until": None,
                }
            },
        }

    def test_the_host_program_accepts_it(self) -> None:
        """The agent's own check, on the document's own text."""
        keys = add(Keys({}), "search", OLD, now=NOW)

        assert known(keys, OLD) == "search"
        assert known(keys, NEW) is None

    def test_a_name_is_given_once(self) -> None:
        """A second add would lock the first holder out: rotate says so on purpose."""
        keys = add(Keys({}), "search", OLD, now=NOW)

        with pytest.raises(UsageError, match=r"already[\s\S]*fab keys.rotate search"):
            add(keys, "search", NEW, now=NOW)

    @pytest.mark.parametrize("name", ["", "_probe", "Search", "a b", "a" * 64, 'a"b', "é", "-a"])
    def test_names_are_plain(self, name: str) -> None:
        """They stand in logs and headers; those with an underscore are the fleet's own."""
        with pytest.raises(UsageError, match="not a name"):
            add(Keys({}), name, OLD, now=NOW)


class TestRevoke:
    def test_it_is_gone_with_its_text_before(self) -> None:
        """A grace period does not outlive the key."""
        keys = rotate(add(Keys({}), "a", OLD, now=NOW), "a", NEW, now=NOW, grace=DAY)
        left = revoke(add(keys, "b", NEWEST, now=NOW), "a")

        assert (known(left, OLD), known(left, NEW), known(left, NEWEST)) == (None, None, "b")

    @pytest.mark.parametrize("name", ["nobody", "_probe"])
    def test_what_is_not_a_clients_is_not_revoked(self, name: str) -> None:
        """The message names the keys that there are."""
        keys = add(Keys({"_probe": Key("0" * 64, "then")}), "search", OLD, now=NOW)

        with pytest.raises(UsageError, match=f"no key {name}[\\s\\S]*keys are: search$"):
            revoke(keys, name)


class TestRotate:
    def test_both_texts_work_until_the_grace_ends(self) -> None:
        """The new one at once and for good, the old one to the second."""
        keys = rotate(add(Keys({}), "a", OLD, now=NOW), "a", NEW, now=NOW, grace=DAY)

        assert known(keys, NEW, at=NOW + 10 * DAY) == "a"
        assert known(keys, OLD, at=NOW + DAY - timedelta(seconds=1)) == "a"
        assert known(keys, OLD, at=NOW + DAY) is None

    def test_without_grace_the_old_text_ends_at_once(self) -> None:
        """For a key that leaked."""
        keys = rotate(add(Keys({}), "a", OLD, now=NOW), "a", NEW, now=NOW, grace=timedelta())

        assert (known(keys, OLD), known(keys, NEW)) == (None, "a")

    def test_there_are_never_more_than_two(self) -> None:
        """Rotating twice within the grace period ends the first text."""
        keys = add(Keys({}), "a", OLD, now=NOW)
        keys = rotate(keys, "a", NEW, now=NOW, grace=DAY)
        keys = rotate(keys, "a", NEWEST, now=NOW, grace=DAY)

        assert (known(keys, OLD), known(keys, NEW), known(keys, NEWEST)) == (None, "a", "a")


def test_rows_show_clients_and_no_hash() -> None:
    """By name; a grace period that ended is no news."""
    keys = add(Keys({"_probe": Key("0" * 64, "then")}), "b", OLD, now=NOW)
    keys = rotate(add(keys, "a", NEW, now=NOW), "a", NEWEST, now=NOW, grace=DAY)

    assert rows(keys, now=NOW) == [
        {
            "name": "a",
            "created": "2026-11-21T12:00:00+00:00",
            "previous_until": "2026-11-22T12:00:00+00:00",
            "priority": "high",
        },
        {
            "name": "b",
            "created": "2026-11-21T12:00:00+00:00",
            "previous_until": None,
            "priority": "high",
        },
    ]
    assert rows(keys, now=NOW + DAY)[0]["previous_until"] is None


class TestPriority:
    def test_a_priority_outlives_a_rotation(self) -> None:
        """It is the key's, not the text's; the gateway finds it in the document."""
        keys = set_priority(add(Keys({}), "batch", OLD, now=NOW), "batch", "low")
        keys = rotate(keys, "batch", NEW, now=NOW, grace=DAY)

        assert rows(keys, now=NOW)[0]["priority"] == "low"
        assert priorities.parse(keys.to_json()) == {"batch": counter.Priority.LOW}
        assert parse(keys.to_json()) == keys

    def test_high_is_what_a_key_has_that_nobody_marked(self) -> None:
        """So the document does not mention it."""
        plain = add(Keys({}), "a", OLD, now=NOW)
        marked = set_priority(plain, "a", "normal")

        assert set_priority(marked, "a", "high") == plain
        assert "priority" not in plain.to_json()

    def test_words_that_mean_nothing_are_refused(self) -> None:
        """As are keys that are not there."""
        keys = add(Keys({}), "a", OLD, now=NOW)
        with pytest.raises(UsageError, match="'urgent' is not a priority"):
            set_priority(keys, "a", "urgent")
        with pytest.raises(UsageError, match="there is no key b"):
            set_priority(keys, "b", "low")

    def test_the_gateway_knows_the_same_words(self) -> None:
        """Two lists of them, because the gateway ships alone."""
        assert tuple(counter.Priority) == PRIORITIES


class TestDocument:
    def test_the_fleets_own_keys_survive_every_change(self) -> None:
        """The probe's entry goes through add, rotate and revoke untouched."""
        probe = Key("0" * 64, "then")
        keys = add(Keys({"_probe": probe}), "a", OLD, now=NOW)
        keys = revoke(rotate(keys, "a", NEW, now=NOW, grace=DAY), "a")

        assert parse(keys.to_json()) == Keys({"_probe": probe})

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            '{"version": 2, "keys": {}}',
            '{"version": 1}',
            '{"version": 1, "keys": {"a": {"other": 1}}}',
            '{"version": 1, "keys": ["a"]}',
        ],
    )
    def test_another_document_is_not_overwritten(self, text: str) -> None:
        """Rather an error, with the way back, than a fleet that knows no key."""
        with pytest.raises(FleetError, match="AWSPREVIOUS"):
            parse(text)

    def test_no_document_yet_is_a_fleet_without_keys(self) -> None:
        """Before the first ``keys.add``."""
        assert parse(None) == Keys({})

    def test_more_than_a_secret_holds_is_refused(self) -> None:
        """Secrets Manager takes 64 KiB: some hundreds of keys."""
        many = Keys({f"key-{number}": Key("0" * 64, "then") for number in range(600)})

        with pytest.raises(FleetError, match="600 keys are more than one secret holds"):
            many.to_json()


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_a_text_looks_like_a_key_and_keeps_all_its_randomness(random: bytes) -> None:
    """52 characters that need no quoting anywhere; other lengths are a bug."""
    text = new_text(random)

    assert len(text) == len("sk-fleet-") + 43
    assert text.removeprefix("sk-fleet-").replace("-", "a").replace("_", "a").isalnum()
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        new_text(random[1:])


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800)]
)
def test_a_grace_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    """Zero needs no unit."""
    assert parse_grace(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "24 h", "1w", "9999999d"])
def test_anything_else_is_no_grace(text: str) -> None:
    """Refused before anything is read or written."""
    with pytest.raises(UsageError, match="like 90s, 30m, 24h, 7d, or 0"):
        parse_grace(text)
