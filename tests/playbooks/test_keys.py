"""`fab keys.*`, as typed, on an account in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from invoke.program import Program

from playbooks import keys as playbook
from playbooks.session import Session
from provision.agent import keys as agent
from provision.errors import CloudError
from provision.planning.keys import Keys, add
from provision.secret import Secret
from provision.testing.clock import FakeClock
from provision.testing.cloud import FakeCloud
from provision.testing.samples import environment, outputs

NAME = outputs().client_keys_secret
THEN = datetime(2026, 1, 1, tzinfo=UTC)


class Fab:
    """Types a command line and keeps what came of it."""

    def __init__(self, cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
        self.cloud = cloud
        self.clock = FakeClock()
        self._capsys = capsys
        self.err = ""
        self.code = 0

    def __call__(self, *words: str) -> str:
        self.code = 0
        try:
            Program(namespace=playbook.ns).run(["fab", *words])
        except SystemExit as exit:
            self.code = int(exit.code or 0)
        captured = self._capsys.readouterr()
        self.err = captured.err
        return captured.out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    def holder(self, text: str) -> str | None:
        """Who hosts take the holder of *text* for, right now."""
        secret = self.cloud.secrets[NAME]
        known = agent.parse(secret.reveal() if secret else None)
        return agent.name_of(known, f"Bearer {text}", self.clock.now())


@pytest.fixture
def fab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fab:
    """`fab` for an environment that was provisioned and has no keys yet."""
    fab = Fab(FakeCloud(outputs()), capsys)

    def open_(env: str | None) -> Session:
        assert env in (None, "test")
        return Session(
            environment(), chosen="test, named by --env", _cloud=fab.cloud, _clock=fab.clock
        )

    monkeypatch.setattr(Session, "open", open_)
    return fab


def test_a_new_key_is_printed_once_and_works(fab: Fab) -> None:
    """The key alone on stdout; the account holds its hash, not its text."""
    text = fab("add", "search", "--env", "test").strip()

    assert fab.code == 0
    assert fab.holder(text) == "search"
    assert text not in str(fab.cloud.secrets[NAME])
    assert text not in fab.cloud.secrets[NAME].reveal()  # type: ignore[union-attr]
    assert text not in fab.err
    assert "It is not shown again" in fab.err


def test_every_key_is_another(fab: Fab) -> None:
    """With --json: one object, nothing else on stdout."""
    first, second = fab.json("add", "a"), fab.json("add", "b")

    assert first.keys() == {"name", "key", "previous_until"}
    assert first["key"] != second["key"]
    assert (fab.holder(first["key"]), fab.holder(second["key"])) == ("a", "b")


def test_a_revoked_key_is_no_longer_good(fab: Fab) -> None:
    """And no longer listed."""
    text = fab.json("add", "search")["key"]

    assert fab.json("revoke", "search") == {"name": "search", "revoked": True}
    assert fab.holder(text) is None
    assert fab.json("list") == []


def test_a_rotated_key_leaves_time_to_change_over(fab: Fab) -> None:
    """Both work for the grace period, then only the new one."""
    old = fab.json("add", "search")["key"]
    new = fab.json("rotate", "search", "--grace", "1h")["key"]

    assert (fab.holder(old), fab.holder(new)) == ("search", "search")
    fab.clock.sleep(3600)
    assert (fab.holder(old), fab.holder(new)) == (None, "search")


def test_the_list_is_for_reading(fab: Fab) -> None:
    """Names, dates, and the grace period that runs; the fleet's own key is not in it."""
    fab.cloud.secrets[NAME] = Secret(add(Keys({}), "old", "sk-fleet-x", now=THEN).to_json())
    fab("rotate", "old")
    fab("add", "new")

    assert fab("list").splitlines() == [
        "new                      2023-11-14T22:13:20+00:00",
        "old                      2023-11-14T22:13:20+00:00"
        "  the text before works until 2023-11-15T22:13:20+00:00",
    ]


def test_a_key_may_go_first_when_money_gets_short(fab: Fab) -> None:
    """The list says so, and the text works on."""
    text = fab.json("add", "batch")["key"]
    assert "batch has low priority" in fab("priority", "batch", "low")
    assert fab("list") == "batch                    2023-11-14T22:13:20+00:00  low priority\n"
    assert fab.json("priority", "batch", "high") == {"name": "batch", "priority": "high"}
    assert "priority" not in fab("list")
    assert fab.holder(text) == "batch"


def test_an_empty_list_says_what_to_type(fab: Fab) -> None:
    """The first thing that a new fleet needs."""
    assert fab("list") == "no keys yet: fab keys.add NAME\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("revoke", "nobody"), "there is no key nobody"),
        (("rotate", "search", "--grace", "soon"), "'soon' is not a time"),
        (("add", "search"), "there is a key search already"),
        (("add", "_probe"), "is not a name for a key"),
        (("priority", "search", "urgent"), "'urgent' is not a priority"),
    ],
)
def test_a_mistake_changes_nothing(fab: Fab, words: tuple[str, ...], complaint: str) -> None:
    """Exit code 2, a message with the next step, and the keys are as before."""
    fab("add", "search")
    before = fab.cloud.secrets[NAME]
    out = fab(*words)

    assert (fab.code, out) == (2, "")
    assert complaint in fab.err
    assert "next:" in fab.err
    assert fab.cloud.secrets[NAME] == before


def test_a_write_that_fails_prints_no_key(fab: Fab) -> None:
    """A key that no host will ever know must not be handed to anyone."""
    fab.cloud.failures["put_secret"] = CloudError("secretsmanager:PutSecretValue denied")
    out = fab("add", "search")

    assert (fab.code, out) == (1, "")
    assert "PutSecretValue denied" in fab.err
