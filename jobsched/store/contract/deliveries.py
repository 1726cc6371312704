"""Notifications on their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.delivery import Attempt, Delivery


class Deliveries(Protocol):
    """They are written by the changes that they tell of; here they are sent and looked at."""

    def soonest(self, full: Sequence[str], only: Sequence[str] | None) -> Deferred[datetime | None]:
        """When the next attempt may be made, but for those to `full` places; to `only` some places, if given. None:
        nothing waits there."""

    def take(
        self, now: datetime, most: int, of_one: int, busy: Mapping[str, int], only: Sequence[str] | None
    ) -> Deferred[list[Delivery]]:
        """Up to `most` whose attempt may be made now, those that wait longest first, so that no place gets more than
        `of_one`, with those that are `busy` there already; to `only` some places, if given.

        They are this node's for 60 s, or for 30 s and the lease of the nodes if that is longer: nobody else gets them
        before, and `soonest` says when that is. Each has one attempt more than before. Waits for nobody: what another
        change holds is left out; that may be less than there is.
        """

    def settle(self, attempts: Sequence[Attempt]) -> Deferred[None]:
        """Write what came of attempts: each only where the notification waits still; and one after which it is tried
        again only where no newer attempt was begun. One that is not there is passed over."""

    def of_run(self, run_id: str, limit: int, before: str | None) -> Deferred[tuple[str, list[Delivery]]]:
        """What was told of a run, up to `limit` with ids before `before`, newest first, without their bodies; and the
        task that it was a run of. Raises NotFound."""

    def of_job(
        self, job_id: str, limit: int, before: str | None, tasks: tuple[str, ...] | None
    ) -> Deferred[list[Delivery]]:
        """The same of a job, of what was told under `tasks`, if given. Raises NotFound as `Runs.page` does, if there is
        nothing to show."""
