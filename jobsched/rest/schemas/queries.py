"""What a query string may ask for."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ...model.audit import Action
from ...model.job import JobState
from ...model.run import State
from . import NAME, STATE, TASK

MomentText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]  # a datetime would accept 0.5 in a query
Id = Annotated[str, Meta(max_length=64)]
Limit = Annotated[int, Meta(ge=1, le=1000, description="At most so many")]

AFTER = Meta(description="The id behind which the page begins; follow the Link header instead of making one up")
FOLLOW = Meta(description="Whether to stream what is printed until the run has ended")


class JobPage(Struct, forbid_unknown_fields=True):
    """Which part of the list of jobs. A query knows no null: a job may be named so."""

    limit: Limit = 500
    after: Annotated[Id, AFTER] = ""
    name: Annotated[str | UnsetType, NAME] = UNSET
    task: Annotated[str | UnsetType, TASK] = UNSET
    state: Annotated[JobState | UnsetType, STATE] = UNSET
    overdue: Annotated[bool | UnsetType, Meta(description="Jobs that are overdue, or those that are not")] = UNSET


class RunPage(Struct, forbid_unknown_fields=True):
    """Which part of a list of runs: `from <= due < to`."""

    limit: Limit = 500
    after: Annotated[Id | UnsetType, AFTER] = UNSET
    state: Annotated[State | UnsetType, STATE] = UNSET
    from_: Annotated[MomentText | UnsetType, Meta(description="Runs due at this instant or later")] = field(
        default=UNSET, name="from"
    )
    to: Annotated[MomentText | UnsetType, Meta(description="Runs due before this instant")] = UNSET


class AuditPage(Struct, forbid_unknown_fields=True):
    """Which part of the audit log: `from <= at < to`."""

    limit: Limit = 500
    after: Annotated[Id | UnsetType, AFTER] = UNSET
    target: Annotated[Id | UnsetType, Meta(description="Only this job with its runs, or only this run")] = UNSET
    action: Annotated[Action | UnsetType, Meta(description="Only this action")] = UNSET
    who: Annotated[Id | UnsetType, Meta(description="Only by the token of this name")] = UNSET
    group: Annotated[Id | UnsetType, Meta(description="Only the parts of this one order")] = UNSET
    from_: Annotated[MomentText | UnsetType, Meta(description="Changes made at this instant or later")] = field(
        default=UNSET, name="from"
    )
    to: Annotated[MomentText | UnsetType, Meta(description="Changes made before this instant")] = UNSET


class DeliveryPage(Struct, forbid_unknown_fields=True):
    """Which part of a list of notifications."""

    limit: Limit = 500
    after: Annotated[Id | UnsetType, AFTER] = UNSET


class Deletion(Struct, forbid_unknown_fields=True):
    """Whether the job's active runs are to be ended too."""

    cancel: Annotated[bool, Meta(description="Whether the active runs are to be ended too")] = False


class Following(Struct, forbid_unknown_fields=True):
    """Whether to stream what is printed until the end."""

    follow: Annotated[bool, FOLLOW] = False


class Running(Following, forbid_unknown_fields=True):
    """Whether to stream what is printed, and whether to run it come what may."""

    force: Annotated[bool, Meta(description="Whether to run it although it is on hold")] = False


class Waiting(Struct, forbid_unknown_fields=True):
    """How many seconds the answer may wait for the run to end."""

    wait: Annotated[float, Meta(ge=0, le=3600, description="Seconds to wait for the end of the run")] = 0


class Reading(Struct, forbid_unknown_fields=True):
    """Which part of the output: all, its last lines, or all there is and will be."""

    follow: Annotated[bool, FOLLOW] = False
    tail: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType, Meta(description="Only so many of the last lines")
    ] = UNSET
