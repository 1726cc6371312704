"""How a job has fared, and how many runs came to which state, as it is shown."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from ...model.run import State
from ...model.stats import SHOWN
from . import ID, REASON, STATE, Moment
from .runs import DUE


class OutcomeOut(Struct):
    """A run that has ended, in short."""

    id: Annotated[str, ID]
    due: Annotated[Moment, DUE]
    state: Annotated[State, STATE]
    reason: Annotated[str, REASON]
    duration: Annotated[float | None, Meta(description="Seconds from start to end; null: it was not started")]
    count: Annotated[int, Meta(description="How many dues it stands for")]


class StatsOut(Struct):
    """How a job has fared, by its newest 1,000 runs that have ended."""

    runs: Annotated[
        int, Meta(description="Runs that count: the last attempt at each due, if it was neither cancelled nor skipped")
    ]
    since: Annotated[Moment | None, Meta(description="The due of the oldest of them")]
    success_rate: Annotated[
        float | None, Meta(description="Share of dues that succeeded, 0 to 1; null: there was none")
    ]
    median: Annotated[
        float | None, Meta(description="Seconds from start to end, of those that succeeded: half took less")
    ]
    p95: Annotated[float | None, Meta(description="The same: 19 of 20 took no more")]
    longest: Annotated[float | None, Meta(description="The same: the most")]
    last_success: Annotated[Moment | None, Meta(description="When the last success ended; null: there is none")]
    failing_since: Annotated[
        Moment | None, Meta(description="The due of the first failure since then; null: it does not fail")
    ]
    failures: Annotated[int, Meta(description="Dues that have failed since then")]
    last: Annotated[list[OutcomeOut], Meta(description=f"The newest {SHOWN} runs that have ended, newest first")]


class HourOut(Struct):
    """An hour, as clocks of the zone show it; the first and the last may be cut short."""

    from_: Annotated[Moment, Meta(description="When it begins")] = field(name="from")
    to: Annotated[Moment, Meta(description="When it ends")]
    local: Annotated[Moment, Meta(description="When it begins, in the zone")]
    counts: Annotated[
        dict[State, int],
        Meta(description="How many runs there are of each state; a state without any is left out"),
    ]


class CountsOut(Struct):
    """The hours from `from` to `to`, each of them, in order."""

    timezone: Annotated[str, Meta(description="The zone of the hours")]
    values: Annotated[list[HourOut], Meta(description="Each hour, also where nothing was due")]
