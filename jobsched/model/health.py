"""How the whole store fares, in numbers, and why a daemon cannot do its work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

import attrs

from .delivery import State as DeliveryState
from .job import JobState

JOB_STATES: Final[tuple[JobState, ...]] = get_args(JobState)
DELIVERY_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)


@attrs.frozen(kw_only=True)
class JobInfo:
    """What metrics say of a job."""

    id: str
    task: str
    labels: Mapping[str, str]  # those that the operator names


@attrs.frozen(kw_only=True)
class Counts:
    """Numbers that are the same for all nodes. Every state has a number, if only 0."""

    jobs: Mapping[str, int]  # by their state
    overdue: int  # jobs
    waiting: int  # runs
    deliveries: Mapping[str, int]  # notifications, by their state


@attrs.frozen
class HealthProblem:
    """`words` may be shown to anybody; `why` may name hosts and files, and needs the scope `read`."""

    words: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.words}: {self.why}" if self.why else self.words
