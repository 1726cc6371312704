"""Sets of jobs that are put as a whole: what a plan is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.caller import Caller
from ...model.job_set import Standing, Step
from ...model.labels import Label


class JobSets(Protocol):
    """What there is, for a set of jobs that somebody wants. `Orders` puts it: see `model.order.PutJobs`."""

    def standing(
        self, ids: Sequence[str], scope: Label | None, caller: Caller, now: datetime, *, whole: bool
    ) -> Deferred[Standing]:
        """What the jobs of these ids are, and, with `whole`, all others of the scope, as the caller sees them.

        Raises Taken, which names all such, for ids of jobs of a task that the caller does not see, or that were such;
        and Conflict for words that no job has, as `CreateJob` does."""

    def versions(self, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> Deferred[dict[str, int]]:
        """The version of each job that has all labels of the scope, and whose task matches one of the patterns."""

    def stage(self, set_id: str, steps: Sequence[Step], *, again: bool = False) -> Deferred[None]:
        """Keep these steps for an order that names `set_id`; `again`: instead of what was kept for the same jobs. Each
        has its entry. Nobody sees what is staged."""

    def discard(self, set_id: str, most: int) -> Deferred[int]:
        """Forget up to `most` of the jobs that are staged under that id; how many. With less, none are left."""

    def abandoned(self, before: datetime) -> Deferred[str | None]:
        """The id of a set of which something is staged, and which was made before that instant, or by a node that is
        not alive any more, or began again since."""
