"""What will be due, and why a job did, or did not, run at a time, as it is shown."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...model.verdict import Answer
from . import FOUND, ID, NAME, TASK, Moment


class FactOut(Struct):
    """A line of evidence."""

    text: Annotated[str, Meta(description="What was the case")]
    at: Annotated[Moment | None, Meta(description="When")]
    run: Annotated[str | None, Meta(description="The id of the run that it is about")]


class StepOut(Struct):
    """A call that may be made next."""

    text: Annotated[str, Meta(description="What it does")]
    method: Annotated[str, Meta(description="The method of the call")]
    path: Annotated[str, Meta(description="Where the call goes")]
    body: Annotated[dict[str, str | float] | None, Meta(description="What it sends, as JSON; null: nothing")]


class WhyOut(Struct):
    """Why a job did, or did not, run at a time: the first that holds, the evidence, and what may be done."""

    job: Annotated[str, ID]
    name: Annotated[str, NAME]
    answer: Annotated[Answer, Meta(description="The answer in a word")]
    sentence: Annotated[str, Meta(description="The answer in a sentence")]
    due: Annotated[Moment | None, Meta(description="The due that it is about; null: there was none")]
    run: Annotated[str | None, Meta(description="The id of the run that it is about; null: there was none")]
    facts: Annotated[list[FactOut], Meta(description="The evidence, with times")]
    next: Annotated[list[StepOut], Meta(description="What may be done")]


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
