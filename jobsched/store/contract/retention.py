"""What is forgotten, and when."""

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
    """Forgets in small batches; one node does so for all. Nothing that is active is forgotten; what another change
    holds is left out.

    The id of a record says when the record was made. A clock that was set back does not change that.

    The tail of a run, and the notifications about it, are forgotten with the run; notifications that still wait are
    kept. The last success of a run, which `Overdue` needs, is kept with its job.
    """

    def take_turn(self, now: datetime, keep: int, every: timedelta) -> Deferred[RetentionPass | None]:
        """Take the turn. None: another node has taken it within the time `every`. `keep` says how many runs each job
        keeps. `since` in the answer is the instant up to which all jobs were looked at; None: that instant is not
        known, or more runs were kept then."""

    def end_turn(self, this_pass: RetentionPass, keep: int) -> Deferred[None]:
        """Everything was looked at that was there when the turn began."""

    def new_runs(self, since: datetime) -> Deferred[dict[str, int]]:
        """For each job that was given runs since that instant: how many."""

    def counts(self, job_ids: Sequence[str]) -> Deferred[dict[str, int]]:
        """For each of these jobs that has runs: how many."""

    def larger(self, job_ids: Sequence[str]) -> Deferred[dict[str, int]]:
        """For each job, the larger of two numbers: its runs that ran, and its records which say that nothing ran."""

    def crowded(self, most: int) -> Deferred[list[str]]:
        """The jobs for which `larger` is more than `most`."""

    def forget_runs_before(self, before: datetime, most: int) -> Deferred[list[str]]:
        """Forget up to `most` runs that were made before that instant, oldest first. Returns their ids."""

    def forget_runs_beyond(self, job_id: str, keep: int, most: int, ran: bool, now: datetime) -> Deferred[list[str]]:
        """Forget up to `most` runs of a job, and return their ids. With `ran`: runs that ran, behind the newest `keep`
        of them. Otherwise: records which say that nothing ran, behind the newest `keep` of them. Runs that were made by
        a clock that was hours ahead of `now` do not count. From then on the job knows up to which due records may be
        missing (`Job.forgotten`)."""

    def forget_entries(self, before: datetime, most: int) -> Deferred[int]:
        """Forget up to `most` entries of the audit log that were made before that instant. Returns their number."""

    def forget_deliveries(self, before: datetime, most: int) -> Deferred[int]:
        """Forget up to `most` notifications that were made before that instant and do not wait any more. Returns their
        number."""

    def forget_changes(self, before: datetime, most: int) -> Deferred[int]:
        """Forget up to `most` of the oldest changes that were written before that instant; how many."""

    def forget_keys(self, now: datetime) -> Deferred[None]:
        """Forget idempotency keys that are 24 hours old. Forget also, some at a time, jobs that were deleted 24
        hours ago and of which no run is kept: until then their versions go on in a job of the same id."""

    def forget_nodes(self, now: datetime) -> Deferred[None]:
        """Forget nodes that are not alive and were not seen for longer than `model.node.FORGOTTEN`."""

    def unknown(self, run_ids: Sequence[str]) -> Deferred[list[str]]:
        """The ids among these that no run has, in the given order."""
