"""How many jobs, runs and notifications the whole store holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

import attrs

from .delivery import State as DeliveryState
from .job import JobState

JOB_STATES: Final[tuple[JobState, ...]] = get_args(JobState)
DELIVERY_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)


@attrs.frozen(kw_only=True)
class Counts:
    """Numbers that are the same for all nodes. Every state has a number, if only 0."""

    jobs: Mapping[str, int]  # by their state
    overdue: int  # jobs
    waiting: int  # runs
    deliveries: Mapping[str, int]  # notifications, by their state
