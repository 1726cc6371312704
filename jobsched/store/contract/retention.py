"""What is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred


@attrs.frozen(kw_only=True)
class RetentionPass:
    """To look at the jobs that have runs made `since` then; None: at all jobs."""

    since: datetime | None
    begun: datetime


class Retention(Protocol):
    """In small batches, and by one node for all. Nothing goes that is active; what another change holds is left out.

    When something was made is what its id says, which a clock that was set back does not change.

    With a run go its tail and what was told of it, but not what is still to be told. What `Overdue` has to know of it,
    its last success, stays with its job.
    """

    def take_turn(self, now: datetime, keep: int, every: timedelta) -> Deferred[RetentionPass | None]:
        """Take the turn; None: another node has taken it within the time `every`. `keep`: how many runs each job keeps.
        `since` is up to where all jobs were looked at; None where that is not known, or more was kept then."""

    def end_turn(self, this_pass: RetentionPass, keep: int) -> Deferred[None]:
        """All was looked at that was there when the turn was begun."""

    def new_runs(self, since: datetime) -> Deferred[dict[str, int]]:
        """How many runs each job was given since then, of those that were given any."""

    def counts(self, job_ids: Sequence[str]) -> Deferred[dict[str, int]]:
        """How many runs those jobs have, of those that have any."""

    def larger(self, job_ids: Sequence[str]) -> Deferred[dict[str, int]]:
        """How many runs of each job ran, or how many of its records say that nothing did, whichever are more."""

    def crowded(self, most: int) -> Deferred[list[str]]:
        """The jobs of which `larger` is more than `most`."""

    def forget_runs_before(self, before: datetime, most: int) -> Deferred[list[str]]:
        """Forget up to `most` runs made before that instant, oldest first; their ids."""

    def forget_runs_beyond(self, job_id: str, keep: int, most: int, ran: bool, now: datetime) -> Deferred[list[str]]:
        """Forget up to `most` runs of a job behind its newest `keep` that `ran`, or behind as many records that nothing
        did; their ids. What a clock made that was hours ahead of `now` does not count. The job knows from then on up to
        which due some may have no record (`Job.forgotten`)."""

    def forget_entries(self, before: datetime, most: int) -> Deferred[int]:
        """Forget up to `most` entries of the audit log made before that instant; how many."""

    def forget_deliveries(self, before: datetime, most: int) -> Deferred[int]:
        """Forget up to `most` notifications made before that instant that do not wait any more; how many."""

    def forget_keys(self, now: datetime) -> Deferred[None]:
        """Forget idempotency keys that are 24 hours old."""

    def forget_nodes(self, now: datetime) -> Deferred[None]:
        """Forget nodes that are not alive and were not seen for longer than `model.node.FORGOTTEN`."""

    def unknown(self, run_ids: Sequence[str]) -> Deferred[list[str]]:
        """Those of these ids that no run has, in their order."""
