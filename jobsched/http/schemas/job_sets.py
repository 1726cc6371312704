"""A whole set of jobs, as it is put and answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from ...formats import Note
from ...model.job_set import SetDone, SetPart, What
from . import Moment
from .jobs import JobIn, Withheld
from .queries import LabelText

JOBS = Meta(description="The jobs, each with its `id`")


class SetIn(Struct, forbid_unknown_fields=True):
    """Jobs as they are to be: in `jobs`, or as GET /jobs?as=request gives them."""

    jobs: Annotated[list[JobIn] | UnsetType, JOBS] = UNSET
    values: Annotated[list[JobIn] | UnsetType, Meta(description="The same, instead of `jobs`")] = UNSET
    withheld: Annotated[list[Withheld] | UnsetType, Meta(description="Not looked at")] = UNSET


class SetQuery(Struct, forbid_unknown_fields=True):
    """How it is done, and to which jobs."""

    plan: Annotated[bool, Meta(description="Whether to show what would become of each job, and do nothing")] = False
    prune: Annotated[
        bool, Meta(description="Whether to delete jobs of the scope that are not in the set; needs a scope")
    ] = False
    scope: Annotated[
        LabelText | UnsetType,
        Meta(description="The label of the jobs of this set, NAME=VALUE; a job of it without that label gets it"),
    ] = UNSET


class SetPartOut(Struct):
    """What became of one job, or would."""

    id: Annotated[str, Meta(description="The id of the job")]
    name: Annotated[str, Meta(description="Its name")]
    what: Annotated[What, Meta(description="What is done to it; keep: nothing, for it is so already")]
    version: Annotated[int | None, Meta(description="Its version after it; null: it is gone")]
    before: Annotated[dict[str, Any] | None, Meta(description="What was, as far as it differs")]
    after: Annotated[dict[str, Any] | None, Meta(description="What is, as far as it differs")]
    due_before: Annotated[Moment | None, Meta(description="Its next due before it")]
    due_after: Annotated[Moment | None, Meta(description="Its next due after it")]
    place: Annotated[
        str | None, Meta(description="Where it stands in the set, such as `/jobs/3` or `line 3`; null: nowhere")
    ]


class SetCounts(Struct):
    """How many jobs."""

    create: Annotated[int, Meta(description="That are made")]
    change: Annotated[int, Meta(description="That are changed")]
    keep: Annotated[int, Meta(description="That are so already")]
    delete: Annotated[int, Meta(description="That are deleted")]


class NoteOut(Struct):
    """Something of a text that was left aside on purpose."""

    place: Annotated[str, Meta(description="Where it stands, such as `line 3`")]
    detail: Annotated[str, Meta(description="Why nothing came of it")]


class SetOut(Struct):
    """What became of each job, by id."""

    counts: Annotated[SetCounts, Meta(description="How many jobs are made, changed, kept and deleted")]
    group: Annotated[
        str | None, Meta(description="What the entries in the audit log have in common; null: there are none")
    ]
    notes: Annotated[list[NoteOut], Meta(description="What was left aside of the text, and why")]
    values: Annotated[list[SetPartOut], Meta(description="A part for each job")]


def part_out(part: SetPart, place: str | None) -> SetPartOut:
    """A part for the outside; `place`: where it stands in the set."""
    return SetPartOut(
        id=part.job_id,
        name=part.name,
        what=part.what,
        version=part.version,
        before=part.before,
        after=part.after,
        due_before=part.due_before,
        due_after=part.due_after,
        place=place,
    )


def head_out(done: SetDone, notes: Sequence[Note] = ()) -> SetOut:
    """All but the parts."""
    aside = [NoteOut(place=note.place, detail=note.detail) for note in notes]
    return SetOut(counts=SetCounts(**done.counts), group=done.group, notes=aside, values=[])
