"""A change that callers may follow: of a run, a job, a node or the hold. Changes are numbered in the order in which all
nodes tell them, and without gaps.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, get_args

import attrs

from .caller import Caller

Kind = Literal["run", "job", "node", "hold"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
READY: Final = "ready"  # a kind beside these that is followed, and is no change of the store

KEPT: Final = timedelta(hours=1)  # for a client that comes back


@attrs.frozen(kw_only=True)
class Change:
    """One change, and what it was about. `number` is None until it is numbered.

    `what` is the state that a run came to, what was done to a job or to the hold as the audit log has it, `end` of a
    hold that ended by itself, or a node's state.
    """

    kind: Kind
    what: str
    job_id: str | None = None
    run_id: str | None = None
    node_id: str | None = None
    task: str | None = None
    number: int | None = None


@attrs.frozen(kw_only=True)
class ChangeFilter:
    """Which changes a caller follows; what is empty does not matter. Changes of nodes and of the hold have no job."""

    caller: Caller
    kinds: frozenset[str] = frozenset()
    job_id: str | None = None
    task: str | None = None
    states: frozenset[str] = frozenset()

    @property
    def wants_ready(self) -> bool:
        """Whether it is followed if the daemon can do its work: who asks for no kind wants what the store numbers."""
        return READY in self.kinds and not (self.job_id or self.task or self.states)

    def wants(self, change: Change) -> bool:
        """Whether a change is among them. Changes of a task that the caller does not see are not there."""
        if self.kinds and change.kind not in self.kinds:
            return False
        if change.task is not None and not self.caller.sees(change.task):
            return False
        if change.kind == "node" and not self.caller.may("admin"):
            return False
        if change.kind in ("node", "hold"):
            return not (self.job_id or self.task or self.states)
        return (
            self.job_id in (None, change.job_id)
            and self.task in (None, change.task)
            and (not self.states or change.what in self.states)
        )


@attrs.frozen(kw_only=True)
class Numbers:
    """The oldest number that is kept, and the last that was given; 1 and 0 before there is any."""

    oldest: int
    last: int

    def follows(self, number: int) -> bool:
        """Whether all changes behind `number` are still there."""
        return self.oldest - 1 <= number <= self.last
