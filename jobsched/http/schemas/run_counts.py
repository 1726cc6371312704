"""How many runs came to which state, hour by hour, as it is shown."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from ...model.run import State
from . import Moment


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
