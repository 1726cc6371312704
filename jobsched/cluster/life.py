"""The life of a node among others: what it asks of its daemon, and its last words to the store, which may not hear."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..model.errors import Unavailable
from ..model.membership import Heartbeat
from ..model.node import Node
from ..store.contract.store import Store

T = TypeVar("T")

log = Logger()


@attrs.frozen(kw_only=True)
class Life:
    """What membership needs of the rest of this node."""

    heartbeat: Callable[[], Heartbeat]  # `id` and all; membership puts its own id in
    end_all: Callable[[str], object]  # end every run here, quickly, as lost, but for what is to be kept
    regain: Callable[[str], Awaitable[object]]  # go on under this id with what was kept
    stored: Callable[[], Awaitable[object]]  # fires when outcomes that wait are stored, or after a while
    end: Callable[[str, str], object]  # one run, for a reason
    keep_id: Callable[[str], object]  # remember this id for the daemon that comes after this one


async def told(store: Store, node: Node, answer: Awaitable[T]) -> T | None:
    """The answer of the store; None: there was none, and the log has it."""
    try:
        return await answer
    except Unavailable as why:
        log.error("the others will take node {node} for dead: {why}", node=node.name, why=str(why))
    except Exception as why:
        log.failure("the others will take node {node} for dead: {why}", Failure(), node=node.name, why=store.words(why))
    return None
