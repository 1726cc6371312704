"""What a query string may ask for."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ...model.audit import Action
from ...model.job import JobState
from ...model.run import State

MomentText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]  # in a query, where 0.5 would be one too


class JobPage(Struct, forbid_unknown_fields=True):
    """Which part of the list of jobs. A query knows no null: a job may be named so."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 500
    after: Annotated[str, Meta(max_length=64)] = ""
    name: str | UnsetType = UNSET
    task: str | UnsetType = UNSET
    state: JobState | UnsetType = UNSET
    overdue: bool | UnsetType = UNSET


class RunPage(Struct, forbid_unknown_fields=True):
    """Which part of a list of runs: `from <= due < to`."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 500
    after: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    state: State | UnsetType = UNSET
    from_: MomentText | UnsetType = field(default=UNSET, name="from")
    to: MomentText | UnsetType = UNSET


class AuditPage(Struct, forbid_unknown_fields=True):
    """Which part of the audit log: `from <= at < to`."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 500
    after: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    target: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    action: Action | UnsetType = UNSET
    who: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    from_: MomentText | UnsetType = field(default=UNSET, name="from")
    to: MomentText | UnsetType = UNSET


class Deletion(Struct, forbid_unknown_fields=True):
    """Whether the job's active runs are to be ended too."""

    cancel: bool = False


class Following(Struct, forbid_unknown_fields=True):
    """Whether to stream what is printed until the end."""

    follow: bool = False


class Waiting(Struct, forbid_unknown_fields=True):
    """How many seconds the answer may wait for the run to end."""

    wait: Annotated[float, Meta(ge=0, le=3600)] = 0


class Reading(Struct, forbid_unknown_fields=True):
    """Which part of the output: all, its last lines, or all there is and will be."""

    follow: bool = False
    tail: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET
