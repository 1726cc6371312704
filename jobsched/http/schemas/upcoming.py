"""What will be due, as it is shown."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from . import FOUND, NAME, TASK, Moment


class DueOut(Struct):
    """One due of one job."""

    job_id: Annotated[str, Meta(description="The job that is due")]
    job_name: Annotated[str, NAME]
    task: Annotated[str, TASK]
    due: Annotated[Moment, Meta(description="The due")]
    local: Annotated[Moment, Meta(description="The same instant in the job's zone")]
    timezone: Annotated[str, Meta(description="That zone")]
    note: Annotated[
        str | None,
        Meta(description="What keeps it from starting, until when and why; what a change of clocks did to it"),
    ]
    held: Annotated[bool, Meta(description="Whether a hold or a pause keeps it from starting at this due")]


class Dues(Struct):
    """A page of dues."""

    values: Annotated[list[DueOut], FOUND]
