"""A job as it was asked for, in the words of the API, and what its tags and parameters may hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypedDict

from .cron import Cron
from .errors import Invalid, place
from .job import Job, Watch
from .labels import About
from .printable import printable
from .trigger import Interval, Trigger

MOST_PARAMETERS: Final = 64 * 1024  # bytes of all parameters of a job, as JSON in UTF-8
LONGEST_CHARACTER: Final = 6  # bytes that one takes there at most, as \u0001 does
PUNCTUATION: Final = 8  # bytes more for a name and its value at most
MOST_TAGS = 32  # of one node, or asked for by one job
LONGEST_TAG_NAME = 64  # characters
LONGEST_TAG_VALUE = 200

TAGS_RULE = (
    f"at most {MOST_TAGS} tags, names of 1 to {LONGEST_TAG_NAME} printable characters, "
    f"values of 1 to {LONGEST_TAG_VALUE}"
)


def definition(job: Job) -> dict[str, object]:
    """The request that would make this job: JSON values and datetimes. It contains the job's secrets."""
    schedule, policy = job.schedule, job.policy
    return {
        "task": job.task,
        "name": job.name,
        "timezone": job.timezone,
        "start": schedule.start,
        "end": schedule.end,
        "max_runs": job.max_runs,
        "jitter": schedule.jitter.total_seconds(),
        "overlap": policy.overlap,
        "misfire_grace": seconds(policy.misfire_grace),
        "catch_up": policy.catch_up,
        "retries": policy.retries,
        "retry_delay": policy.retry_delay.total_seconds(),
        "timeout": job.timeout,
        "parameters": job.parameters,
        "placement": policy.placement,
        "require": dict(policy.require),
        "on_isolation": policy.on_isolation,
        **watched(job.watch),
        **told(job.about),
        **_rule(schedule.trigger),
    }


def watched(watch: Watch) -> dict[str, Any]:  # JSON values
    """The fields that say when a job is overdue, and which events are told to which receiver."""
    notify = watch.notify
    return {
        "max_late": seconds(watch.max_late),
        "must_succeed_every": seconds(watch.must_succeed_every),
        "notify": None
        if notify is None
        else {
            "url": notify.url,
            "on": list(notify.on),
            "after": notify.after,
            "format": notify.format,
        },
    }


class AboutFields(TypedDict):
    """What is said of a job, as JSON has it."""

    labels: dict[str, str]
    description: str | None
    owner: str | None
    runbook: str | None


def told(about: About) -> AboutFields:
    """What is said of the job."""
    return {
        "labels": dict(about.labels),
        "description": about.description,
        "owner": about.owner,
        "runbook": about.runbook,
    }


def seconds(span: timedelta | None) -> float | None:
    """A span as JSON has it: a number of seconds, or None."""
    return None if span is None else span.total_seconds()


def _rule(trigger: Trigger) -> dict[str, object]:
    if isinstance(trigger, Interval):
        return {"interval": {"seconds": trigger.every.total_seconds()}}
    if isinstance(trigger, Cron):
        return {"cron": trigger.expression}
    return {"at": trigger.next_after(datetime.min.replace(tzinfo=UTC))}


def is_tag_name(text: object) -> bool:
    """Whether this may be the name of a tag."""
    return _is_tag_text(text, LONGEST_TAG_NAME)


def is_tag_value(text: object) -> bool:
    """Whether this may be the value of a tag."""
    return _is_tag_text(text, LONGEST_TAG_VALUE)


def are_tags(found: object) -> bool:
    """Whether these are names with values, and not too many."""
    return (
        isinstance(found, dict)
        and len(found) <= MOST_TAGS
        and all(is_tag_name(name) and is_tag_value(value) for name, value in found.items())
    )


def _is_tag_text(text: object, longest: int) -> bool:
    return isinstance(text, str) and 0 < len(text) <= longest and printable(text)


def parameters_size(parameters: Mapping[str, object]) -> int:
    """Bytes of the parameters as JSON in UTF-8."""
    return len(json.dumps(dict(parameters), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def check_parameters(parameters: Mapping[str, object]) -> None:
    """Raises Invalid for text that no program can be given, and for more than `MOST_PARAMETERS` bytes in all."""
    if not parameters:
        return
    most = 0
    for name, value in parameters.items():
        if isinstance(value, str):
            _check_text(value, name)
            most += LONGEST_CHARACTER * (len(name) + len(value)) + PUNCTUATION
        else:
            most = MOST_PARAMETERS + 1
    found = parameters_size(parameters) if most > MOST_PARAMETERS else 0
    if found > MOST_PARAMETERS:
        raise Invalid(f"hold {found} bytes of JSON together, and may hold {MOST_PARAMETERS}", "/parameters")


def _check_text(text: str, name: str) -> None:
    if "\0" in text:
        raise Invalid("holds a NUL character", place("parameters", name))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid("holds half of a surrogate pair", place("parameters", name)) from None
