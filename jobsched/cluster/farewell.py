"""The last words of a node to the store, which may not take them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from twisted.logger import Logger
from twisted.python.failure import Failure

from ..model.errors import Unavailable
from ..model.node import Node
from ..store.contract.store import Store

T = TypeVar("T")

log = Logger()


async def told(store: Store, node: Node, answer: Awaitable[T]) -> T | None:
    """The answer of the store; None: there was none, and the log has it."""
    try:
        return await answer
    except Unavailable as why:
        log.error("the others will take node {node} for dead: {why}", node=node.name, why=str(why))
    except Exception as why:
        log.failure("the others will take node {node} for dead: {why}", Failure(), node=node.name, why=store.words(why))
    return None
