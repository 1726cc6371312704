"""One order on many jobs, as it is given and answered."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from ...model.batch import MOST, BatchAction, Part, PartResult
from ...model.job import JobState
from ..instants import InstantText
from . import Moment
from .holds import Id, SelectIn
from .jobs import UNTIL, WHY, PatchIn, Reason

Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Versions = Annotated[dict[Id, Version], Meta(extra_json_schema={"maxProperties": MOST})]


class SelectJobs(SelectIn, forbid_unknown_fields=True):
    """Which jobs: those that each field asks for that is given, by any of its values, but by all of `labels`; one at
    least is given."""

    state: Annotated[JobState | UnsetType, Meta(description="Jobs in this state")] = UNSET


class BatchIn(Struct, forbid_unknown_fields=True):
    """What is to be done, and to which jobs."""

    select: Annotated[SelectJobs, Meta(description="Which jobs")]
    action: Annotated[BatchAction, Meta(description="What is done to each")]
    patch: Annotated[PatchIn | UnsetType, Meta(description="For `change`: a merge patch of each")] = UNSET
    until: Annotated[InstantText | None, UNTIL] = None
    reason: Annotated[Reason | None, WHY] = None
    cancel: Annotated[bool, Meta(description="For `delete`: whether active runs are ended")] = False
    force: Annotated[bool, Meta(description="For `run`: whether jobs on hold are run too")] = False
    versions: Annotated[
        Versions | UnsetType, Meta(description="The version of each job that was seen, by id; others differ")
    ] = UNSET


class BatchQuery(Struct, forbid_unknown_fields=True):
    """How it is done."""

    plan: Annotated[bool, Meta(description="Whether to show what would become of each job, and do nothing")] = False
    partial: Annotated[
        bool, Meta(description="Whether to do what can be done, and report the rest; else all is done or nothing")
    ] = False


class PartOut(Struct):
    """What became of one job, or would."""

    id: Annotated[str, Meta(description="The id of the job")]
    name: Annotated[str, Meta(description="Its name; empty: it is not there")]
    result: Annotated[
        PartResult, Meta(description="stale: not at the version that was seen; unchanged: it was so already")
    ]
    detail: Annotated[str, Meta(description="Why it was refused")]
    version: Annotated[int | None, Meta(description="Its version after it; null: it is gone")]
    next_due: Annotated[Moment | None, Meta(description="Its next due after it")]
    run: Annotated[str | None, Meta(description="The id of the run that was made")]
    before: Annotated[dict[str, Any] | None, Meta(description="What was, as far as it differs")]
    after: Annotated[dict[str, Any] | None, Meta(description="What is, as far as it differs")]


class BatchOut(Struct):
    """What became of each job, by id."""

    values: Annotated[list[PartOut], Meta(description="A part for each job")]


def part_out(part: Part) -> PartOut:
    """A part for the outside."""
    return PartOut(
        id=part.job_id,
        name=part.name,
        result=part.result,
        detail=part.detail,
        version=part.version,
        next_due=part.next_due,
        run=part.run_id,
        before=part.before,
        after=part.after,
    )
