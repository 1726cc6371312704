"""Turns the records of requests into those of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, TypeVar

import attrs
import msgspec
from msgspec import UnsetType

from ..model import labels
from ..model.definition import (
    LONGEST_TAG_NAME,
    LONGEST_TAG_VALUE,
    MOST_TAGS,
    check_parameters,
    definition,
    is_tag_name,
    is_tag_value,
)
from ..model.draft import Draft
from ..model.errors import Faults, Invalid, place
from ..model.ids import check_job_id
from ..model.job import Job, Policy
from ..model.labels import About, Label
from ..model.printable import unprintable
from ..model.receiver import Receivers
from ..model.redaction import Redaction
from ..model.trigger import LONGEST, SHORTEST
from .instants import instant
from .problems import invalid
from .schemas import watch as watching
from .schemas.jobs import IntervalIn, JobIn, PatchIn, PauseIn, PreviewIn, RunIn

T = TypeVar("T")
U = TypeVar("U")

TRIGGERS = ("interval", "cron", "at")
MERGED = ("parameters", "require", "labels")  # a patch changes each name in these fields separately


@attrs.frozen(kw_only=True)
class Defaults:
    """Defaults from the configuration, for what a request leaves out."""

    policy: Policy
    timezone: str
    redaction: Redaction = attrs.field(factory=Redaction)
    receivers: Receivers = attrs.field(factory=Receivers)

    @property
    def seed(self) -> str:
        """What stands for all on which it depends how a job is shown as a request."""
        return repr((self.policy, self.timezone, sorted(self.redaction.names)))


def draft(request: JobIn, defaults: Defaults) -> Draft:
    """The draft that a request asks for; fields left out come from the configuration. Raises Invalid."""
    defaults.redaction.meant(request.parameters, {})
    asked = _draft(request, defaults)
    defaults.receivers.check(asked.watch.notify)
    return asked


def replaced(job: Job | None, request: JobIn, defaults: Defaults) -> Draft:
    """The draft that a request asks for, in place of `job`, or for a new job. Raises Invalid."""
    before = {} if job is None or job.task != request.task else job.parameters
    meant = defaults.redaction.meant(request.parameters, before)
    if meant != request.parameters:
        request = msgspec.structs.replace(request, parameters=meant)
    asked = _draft(request, defaults, job)
    if job is None or asked.watch.notify != job.watch.notify:
        defaults.receivers.check(asked.watch.notify)
    return asked


def _draft(request: JobIn, defaults: Defaults, job: Job | None = None) -> Draft:
    """Values that `job` has already, if there is one, are not checked: they may be older than a limit."""
    faults = Faults()
    if job is None or request.task != job.task:
        with faults.noting():
            _check_name(request.task, "/task")
    if not isinstance(request.id, UnsetType):
        with faults.noting():
            check_job_id(request.id)
    name = given(request.name, given(request.id, None if job is None else job.id))
    with faults.noting():
        if name is None:
            raise Invalid("is missing", "/name")
        if not isinstance(request.name, UnsetType) and (job is None or name != job.name):
            _check_name(name, "/name")
    if job is None or request.parameters != job.parameters:
        with faults.noting():
            check_parameters(request.parameters)
    if job is None or request.require != job.policy.require:
        with faults.noting():
            _check_tags(request.require)
    about = About(labels=request.labels, description=request.description, owner=request.owner, runbook=request.runbook)
    with faults.noting():
        labels.check(about, None if job is None else job.about)
    when: _When | None = None
    with faults.noting():
        when = _when(request, defaults)
    faults.check()
    assert when is not None
    assert name is not None
    return Draft(
        task=request.task,
        name=name,
        **when,
        max_runs=request.max_runs,
        policy=_policy(request, defaults.policy),
        timeout=request.timeout,
        parameters=request.parameters,
        watch=watching.watch(request.max_late, request.must_succeed_every, request.notify),
        about=about,
    )


def labels_asked(texts: Sequence[str] | UnsetType) -> tuple[Label, ...]:
    """The labels of a query. Raises Invalid."""
    return tuple(Label.asked(text) for text in given(texts, ()))


def _check_name(text: str, pointer: str) -> None:
    if char := unprintable(text):
        raise Invalid(f"holds {char}, which is not printable", pointer)


def run(request: RunIn, defaults: Defaults) -> tuple[datetime | None, Callable[[Job], dict[str, object]] | None]:
    """The due that a run makes up for, and its parameters as they follow from the job's. Raises Invalid."""
    due, asked = instant(request.due, "/due"), request.parameters
    if asked is None:
        return due, None

    def merged(job: Job) -> dict[str, object]:
        changes = defaults.redaction.meant(asked, job.parameters, False)
        found = {name: value for name, value in {**job.parameters, **changes}.items() if value is not None}
        check_parameters(found)
        return found

    return due, merged


def pause(request: PauseIn) -> tuple[datetime | None, str]:
    """Until when, and why. Raises Invalid."""
    faults, until, reason = Faults(), None, request.reason or ""
    with faults.noting():
        _check_name(reason, "/reason")
    with faults.noting():
        until = instant(request.until, "/until")
    faults.check()
    return until, reason


def _check_tags(require: Mapping[str, str]) -> None:
    for name, value in require.items():
        if not is_tag_name(name):
            raise Invalid(f"a tag's name is 1 to {LONGEST_TAG_NAME} printable characters", place("require", name))
        if not is_tag_value(value):
            raise Invalid(f"a tag's value is 1 to {LONGEST_TAG_VALUE} printable characters", place("require", name))
    if len(require) > MOST_TAGS:
        raise Invalid(f"holds more than {MOST_TAGS} tags", "/require")


class _When(TypedDict):
    every: timedelta | None
    cron: str | None
    at: datetime | None
    timezone: str
    start: datetime | None
    end: datetime | None
    jitter: timedelta


def _when(request: JobIn | PreviewIn, defaults: Defaults) -> _When:
    """The trigger that a request asks for, and its bounds, as fields of a draft."""
    found: _When = {
        "every": None,
        "cron": request.cron,
        "at": None,
        "timezone": given(request.timezone, defaults.timezone),
        "start": None,
        "end": None,
        "jitter": timedelta(seconds=request.jitter),
    }
    faults = Faults()
    with faults.noting():
        if request.interval is not None:
            found["every"] = every(request.interval)
    if request.at is not None:
        with faults.noting():
            found["at"] = instant(request.at, "/at")
    if request.start is not None:
        with faults.noting():
            found["start"] = instant(request.start, "/start")
    if request.end is not None:
        with faults.noting():
            found["end"] = instant(request.end, "/end")
    faults.check()
    return found


def every(interval: IntervalIn) -> timedelta:
    """The sum of an interval's parts."""
    parts = msgspec.to_builtins(interval)
    pointer = f"/interval/{next(iter(parts))}" if len(parts) == 1 else "/interval"
    try:
        total = timedelta(**parts)
    except (OverflowError, ValueError):
        total = timedelta.max
    if not SHORTEST <= total <= LONGEST:
        raise Invalid("an interval is at least 0.1 seconds and at most 100 years", pointer)
    return total


def merged(job: Job, patch: PatchIn, defaults: Defaults) -> Draft:
    """The draft of `job` after a merge patch. Raises Invalid."""
    wanted: dict[str, Any] = {name: _text(value) for name, value in definition(job).items()}
    changes = msgspec.to_builtins(patch)
    if (asked := changes.get("parameters", {})) is not None:
        moved = changes.get("task", job.task) != job.task
        changes["parameters"] = defaults.redaction.meant(asked, job.parameters, moved)
    if any(changes.get(name) is not None for name in TRIGGERS):
        for name in TRIGGERS:
            wanted.pop(name, None)
    for name in MERGED:
        given_here = changes.pop(name, {})
        merged = {} if given_here is None else wanted[name] | given_here
        wanted[name] = {key: value for key, value in merged.items() if value is not None}
    if "notify" in changes:
        changes["notify"] = watching.merged(wanted["notify"], changes["notify"])
    wanted |= changes
    null_means_none = ("misfire_grace",)
    kept = {name: value for name, value in wanted.items() if value is not None or name in null_means_none}
    try:
        changed = _draft(msgspec.convert(kept, JobIn), defaults, job)
    except msgspec.ValidationError as why:
        raise invalid(why, kept, JobIn) from None
    if changed.watch.notify != job.watch.notify:  # the rules may have changed since the job was made
        defaults.receivers.check(changed.watch.notify)
    return changed


def preview(request: PreviewIn, defaults: Defaults, now: datetime) -> tuple[Draft, datetime]:
    """The draft whose dues a preview shows, and the instant from which they are shown. Raises Invalid."""
    asked = Draft(
        task="",
        name="",
        **_when(request, defaults),
    )
    return asked, instant(request.from_, "/from") or now


def _policy(request: JobIn, defaults: Policy) -> Policy:
    grace = request.misfire_grace
    return Policy(
        overlap=given(request.overlap, defaults.overlap),
        misfire_grace=defaults.misfire_grace if isinstance(grace, UnsetType) else _span(grace),
        catch_up=given(request.catch_up, defaults.catch_up),
        retries=request.retries,
        retry_delay=timedelta(seconds=request.retry_delay),
        placement=request.placement,
        require=request.require,
        on_isolation=request.on_isolation,
    )


def _text(value: object) -> object:
    """A value as a request has it."""
    return value.isoformat() if isinstance(value, datetime) else value


def _span(seconds: float | None) -> timedelta | None:
    """The span of `seconds`; a number above 0 never becomes 0."""
    return None if seconds is None else max(timedelta(seconds=seconds), timedelta.resolution)


def given(value: T | UnsetType, otherwise: U) -> T | U:
    """What was given, or `otherwise`."""
    return otherwise if isinstance(value, UnsetType) else value
