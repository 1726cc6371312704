"""Changes, as callers follow them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.change import Change, Numbers


class Changes(Protocol):
    """What changed, in an order that all nodes share.

    Each change of a run's state, each entry of the audit log about a job, and each node that comes or goes is written
    with the change itself. It gets its number afterwards, by `number`: numbers are given one after the other, and only
    to what is committed. So nothing appears behind a number that somebody has seen already.
    """

    def number(self, most: int) -> Deferred[int]:
        """Number up to `most` changes that have none, in the order in which they were written; how many there were.
        Two nodes that do it at once do it one after the other."""

    def after(self, number: int, most: int) -> Deferred[tuple[Sequence[Change], bool]]:
        """Up to `most` changes with higher numbers, in order. And whether any change has no number yet."""

    def numbers(self) -> Deferred[Numbers]:
        """The oldest and the last."""
