"""The gateway, for tasks that bring it or show it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from playbooks.session import Session

if TYPE_CHECKING:
    from provision.config.environment import Environment
    from provision.planning.gateway import Gateway


def way_out(session: Session) -> Callable[[Environment], Gateway] | None:
    """Looks at the gateway of an environment; None where there is no fallback."""
    from provision.catalog.prices.load import FOLDER, load
    from provision.executor.gateway_now import look

    service = session.gateway
    if service is None:
        return None
    book = load(folder=session.folder / FOLDER if session.folder else None)
    return partial(look, cloud=session.cloud, service=service, book=book)
