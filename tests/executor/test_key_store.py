"""Client keys are read, changed and written as one document."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from provision.errors import UsageError
from provision.executor.key_store import KeyStore, new_text
from provision.planning import keys
from provision.testing.cloud import FakeCloud
from provision.testing.samples import outputs

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class TestKeyStore:
    def test_a_change_is_written_whole(self) -> None:
        """What was there stays, what is new is added, and reading gives both."""
        cloud = FakeCloud(outputs())
        store = KeyStore(cloud)
        store.change(lambda known: keys.add(known, "first", new_text(), now=NOW))
        store.change(lambda known: keys.add(known, "second", new_text(), now=NOW))

        assert [name for name, _ in store.read()] == ["first", "second"]

    def test_a_refused_change_writes_nothing(self) -> None:
        """The document is left alone when the change is not possible."""
        cloud = FakeCloud(outputs())
        with pytest.raises(UsageError):
            KeyStore(cloud).change(lambda known: keys.revoke(known, "nobody"))
        assert cloud.log == []

    def test_texts_differ(self) -> None:
        """Each key is its own."""
        assert len({new_text() for _ in range(100)}) == 100
