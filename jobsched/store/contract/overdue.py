"""Jobs that became overdue, or have recovered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.overdue import OverdueChange


class Overdue(Protocol):
    """The rule is `model.overdue`; here it is asked of many."""

    def watched(self, most: int, now: datetime) -> Deferred[list[str]]:
        """Jobs that may not be any more what is stored of them: overdue or not. Up to `most` for each way to become it,
        each once; all that are, if they are fewer."""

    def recovered(self, most: int, now: datetime) -> Deferred[list[str]]:
        """Up to `most` jobs of which a failure was told, and a run that was started since has succeeded; those that
        failed first come first."""

    def settle(self, job_ids: Sequence[str], now: datetime) -> Deferred[list[OverdueChange]]:
        """Decide of each whether it is overdue, and whether it fails still; write what has changed, with the
        notification of it. Only where the job is as it was looked at: of several nodes one makes a change, and only
        that one gets it back."""
