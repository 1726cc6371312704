"""A hold, as it is asked for and shown, and which jobs are meant."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, convert

from ...model import labels
from ...model.caller import is_pattern
from ...model.errors import Faults, Invalid, place
from ...model.hold import Hold, Missed, Waiting
from ...model.job import JobState
from ...model.printable import unprintable
from ...model.selection import EVERY_JOB, MOST, Selection
from ..instants import InstantText, instant
from . import Moment
from .jobs import Reason

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Glob = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\[\]]+$")]
Ids = Annotated[list[Id], Meta(min_length=1, max_length=MOST)]
Globs = Annotated[list[Glob], Meta(min_length=1, max_length=MOST)]

LabelText = Annotated[str, Meta(max_length=127, extra_json_schema={"pattern": labels.ASKED})]
LabelTexts = Annotated[list[LabelText], Meta(min_length=1, max_length=labels.MOST)]

IDS = Meta(description="Jobs with one of these ids")
NAMES = Meta(description="Jobs whose name or id is matched by one of these; * stands for any text, ? for a character")
TASKS = Meta(description="Jobs whose task is matched by one of these, with * and ? too")
LABELS = Meta(description="Jobs that have all of these labels, each NAME=VALUE, or NAME with whatever value")
REASON = Meta(description="Why, for people; null: nobody said so")
UNTIL = Meta(description="When it ends by itself: a due at that instant runs; null: when it is deleted")
SELECT = Meta(description="Which jobs; null: all")
MISSED = Meta(description="What becomes of dues meanwhile: skipped, or left to misfire_grace and catch_up afterwards")
WAITING = Meta(description="Whether retries and queued runs are held too, or go on")


class SelectIn(Struct, forbid_unknown_fields=True):
    """Which jobs: those that each field asks for that is given, by any of its values, but by all of `labels`."""

    ids: Annotated[Ids | UnsetType, IDS] = UNSET
    names: Annotated[Globs | UnsetType, NAMES] = UNSET
    tasks: Annotated[Globs | UnsetType, TASKS] = UNSET
    labels: Annotated[LabelTexts | UnsetType, LABELS] = UNSET


class HoldIn(Struct, forbid_unknown_fields=True):
    """What is to be held, until when and why. What is left out takes its default, whatever was held before."""

    reason: Annotated[Reason | None, REASON] = None
    until: Annotated[InstantText | None, UNTIL] = None
    select: Annotated[SelectIn | None, SELECT] = None
    missed: Annotated[Missed, MISSED] = "skip"
    waiting: Annotated[Waiting, WAITING] = "hold"


class SelectOut(Struct, omit_defaults=True):
    """Which jobs, as it was said."""

    ids: Annotated[list[str] | UnsetType, IDS] = UNSET
    names: Annotated[list[str] | UnsetType, NAMES] = UNSET
    tasks: Annotated[list[str] | UnsetType, TASKS] = UNSET
    state: Annotated[JobState | UnsetType, Meta(description="Jobs in this state")] = UNSET
    labels: Annotated[list[str] | UnsetType, LABELS] = UNSET


class HoldOut(Struct):
    """The hold, as it is shown."""

    by: Annotated[str | None, Meta(description="Who said so last: the name of a token; null: it needed none")]
    at: Annotated[Moment, Meta(description="Since when")]
    until: Annotated[Moment | None, UNTIL]
    reason: Annotated[str | None, REASON]
    select: Annotated[SelectOut | None, SELECT]
    missed: Annotated[Missed, MISSED]
    waiting: Annotated[Waiting, WAITING]


def selection(request: SelectIn | None, pointer: str = "/select") -> Selection:
    """The jobs that are asked for. Raises Invalid."""
    if request is None:
        return EVERY_JOB
    given = {name: getattr(request, name) for name in request.__struct_fields__}
    texts = given["labels"]
    for number, text in enumerate([] if isinstance(texts, UnsetType) else texts):
        labels.Label.asked(text, pointer + place("labels", str(number)))
    for name in ("names", "tasks"):
        globs = given[name]
        for number, glob in enumerate([] if isinstance(globs, UnsetType) else globs):
            if not is_pattern(glob):
                raise Invalid("may hold printable characters but [ and ]", pointer + place(name, str(number)))
    return Selection.of({name: value for name, value in given.items() if not isinstance(value, UnsetType)})


def hold(request: HoldIn, now: Moment) -> Hold:
    """The hold that is asked for; whose it is says the order. Raises Invalid."""
    faults, until, select = Faults(), None, EVERY_JOB
    with faults.noting():
        if char := unprintable(request.reason or ""):
            raise Invalid(f"holds {char}, which is not printable", "/reason")
    with faults.noting():
        until = instant(request.until, "/until")
    with faults.noting():
        select = selection(request.select)
    faults.check()
    return Hold(
        by=None,
        at=now,
        until=until,
        reason=request.reason or "",
        select=select,
        missed=request.missed,
        waiting=request.waiting,
    )


def hold_out(found: Hold) -> HoldOut:
    """The hold for the outside."""
    select = convert(found.select.fields, SelectOut) if found.select.fields else None
    return HoldOut(
        by=found.by,
        at=found.at,
        until=found.until,
        reason=found.reason or None,
        select=select,
        missed=found.missed,
        waiting=found.waiting,
    )
