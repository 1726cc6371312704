"""Notifications on their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.delivery import Attempt, Delivery


class Deliveries(Protocol):
    """Notifications are written by the changes that they tell of. Here they are sent and looked at."""

    def soonest(self, full: Sequence[str], only: Sequence[str] | None) -> Deferred[datetime | None]:
        """The earliest instant at which an attempt may be made. Notifications to the places in `full` are left out; if
        `only` is given, notifications to other places are left out too. None: no such notification waits."""

    def take(
        self, now: datetime, most: int, of_one: int, busy: Mapping[str, int], only: Sequence[str] | None
    ) -> Deferred[list[Delivery]]:
        """Up to `most` notifications whose attempt may be made now, those that wait longest first. If `only` is given,
        only notifications to these places are taken. No place gets more than `of_one`, and those that are `busy` there
        already count.

        The notifications belong to this node for 60 s, or for 30 s and the lease of the nodes if that is longer. No
        other node gets them before that time is over, and `soonest` says when it is over. Each notification has one
        attempt more than before. The method waits for nobody: a notification that another change holds is left out, so
        the answer may be shorter than it could be.
        """

    def settle(self, attempts: Sequence[Attempt]) -> Deferred[None]:
        """Write the results of attempts. A result is written only where the notification still waits. A result after
        which the notification is tried again is written only where no newer attempt was begun. A notification that does
        not exist is passed over."""

    def of_run(self, run_id: str, limit: int, before: str | None) -> Deferred[tuple[str, list[Delivery]]]:
        """The task of a run, and the notifications about the run: up to `limit` with ids before `before`, newest first,
        without their bodies. Raises NotFound."""

    def of_job(
        self, job_id: str, limit: int, before: str | None, tasks: tuple[str, ...] | None
    ) -> Deferred[list[Delivery]]:
        """The notifications about a job, as in `of_run`. If `tasks` is given, only those whose task, at the time, was
        among `tasks`. If there is nothing to show, raises NotFound under the conditions of `Runs.page`."""
