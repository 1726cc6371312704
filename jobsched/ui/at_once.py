"""Several questions that a screen asks at once: one after the other, each would wait for a thread."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults

T = TypeVar("T")


def begun(asking: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
    """Ask, and do not wait; `all_of` waits."""
    return Deferred.fromCoroutine(asking)


async def all_of(*asked: Deferred[Any]) -> None:
    """Wait for the answers, of which each can be awaited then. Raises what the first raised that has failed; the others
    are cancelled, and what becomes of them is nobody's concern."""
    try:
        await gatherResults(asked, consumeErrors=True)
    except FirstError as first:
        for each in asked:  # those that wait for a thread must not take one for nobody
            each.cancel()
        first.subFailure.raiseException()
