"""The form of a job: from a job to its fields, and from what was sent to a request. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from ..http.problems import invalid
from ..http.schemas.jobs import JobIn
from ..model.definition import definition
from ..model.errors import Faults, Invalid
from ..model.job import USUAL, Job
from ..model.redaction import Redaction
from ..model.times import utc_text
from . import amounts
from .view import is_zone

Sent = dict[str, list[str]]

TRIGGERS: Final = ("interval", "cron", "at")
TEXTS: Final = (
    "id", "name", "task", "timezone", "overlap", "catch_up", "placement", "on_isolation", "owner", "runbook",
    "description",
)  # fmt: skip
NUMBERS: Final = ("max_runs", "retries")
SPANS: Final = ("jitter", "retry_delay", "timeout", "max_late", "must_succeed_every")
INSTANTS: Final = ("start", "end")
PAIRS: Final = ("parameters", "require", "labels")
NEVER: Final = "none"  # as misfire_grace: no limit


def filled(job: Job, redaction: Redaction) -> Sent:
    """The fields of the form, as they stand for a job."""
    wanted: dict[str, Any] = definition(job) | {"id": job.id}
    found = {name: [str(wanted[name])] for name in (*TEXTS, *NUMBERS) if wanted.get(name) is not None}
    found |= {name: [amounts.length(wanted[name])] for name in SPANS if wanted[name]}
    found |= {name: [utc_text(wanted[name])] for name in INSTANTS if wanted[name] is not None}
    grace = wanted["misfire_grace"]
    found["misfire_grace"] = [NEVER if grace is None else amounts.length(grace)]
    found["retry_delay"] = [amounts.length(wanted["retry_delay"])]
    found["parameters"] = [amounts.lines(redaction.shown(job.parameters))]
    found |= {name: [amounts.lines(wanted[name])] for name in ("require", "labels")}
    kind = next(name for name in TRIGGERS if name in wanted)
    value = wanted[kind]
    shown: dict[str, Callable[[], str]] = {
        "interval": lambda: amounts.length(value["seconds"]),
        "cron": lambda: value,
        "at": lambda: utc_text(value),
    }
    found |= {"kind": [kind], kind: [shown[kind]()]}
    notify = wanted["notify"]
    if notify is not None:
        found |= {
            "notify": ["own"], "notify.url": [notify["url"] or ""], "notify.on": notify["on"],
            "notify.after": [str(notify["after"])], "notify.format": [notify["format"]],
        }  # fmt: skip
    return found


def fresh(policy: Mapping[str, str], zone: str) -> Sent:
    """The fields for a new job."""
    usual: Sent = {"kind": ["interval"], "timezone": [zone], "notify.on": [*USUAL]}
    return usual | {name: [value] for name, value in policy.items()}


def request(sent: Sent, zone: str) -> JobIn:
    """What the form asks for; a time without an offset is one of `zone`. Raises Invalid with all that is wrong."""
    faults, wanted = Faults(), dict[str, Any]()

    def take(name: str, read: Callable[[str], object]) -> None:
        text = sent.get(name, [""])[0]
        text = text if name == "description" else text.strip()
        if text:
            with faults.noting():
                wanted[name] = read(text)

    for name in TEXTS:
        take(name, str)
    for name in NUMBERS:
        take(name, lambda text, name=name: _whole(text, f"/{name}"))  # type: ignore[misc]  # mypy guesses no default
    for name in SPANS:
        take(name, lambda text, name=name: amounts.seconds(text, f"/{name}"))  # type: ignore[misc]
    for name in INSTANTS:
        take(name, lambda text, name=name: _with_offset(text, _zone(sent, zone), f"/{name}"))  # type: ignore[misc]
    take("parameters", lambda text: {key: amounts.typed(value) for key, value in _pairs(text, "parameters").items()})
    take("require", lambda text: _pairs(text, "require"))
    take("labels", lambda text: _pairs(text, "labels"))
    take("misfire_grace", lambda text: None if text == NEVER else amounts.seconds(text, "/misfire_grace"))
    _take_trigger(sent, zone, take)
    if sent.get("notify") == ["own"]:
        with faults.noting():
            wanted["notify"] = _notify(sent)
    faults.check()
    try:
        return msgspec.convert(wanted, JobIn)
    except msgspec.ValidationError as why:
        raise invalid(why, wanted, JobIn) from None


def _take_trigger(sent: Sent, zone: str, take: Callable[[str, Callable[[str], object]], None]) -> None:
    """The one that was chosen, whatever stands in the fields of the others."""
    kind = sent.get("kind", [""])[0]
    if kind == "interval":
        take("interval", lambda text: {"seconds": amounts.seconds(text, "/interval")})
    elif kind == "cron":
        take("cron", str)
    elif kind == "at":
        take("at", lambda text: _with_offset(text, _zone(sent, zone), "/at"))


def _notify(sent: Sent) -> dict[str, object]:
    found: dict[str, object] = {"on": sent.get("notify.on", [])}
    for name in ("url", "format"):
        if text := sent.get(f"notify.{name}", [""])[0].strip():
            found[name] = text
    if text := sent.get("notify.after", [""])[0].strip():
        found["after"] = _whole(text, "/notify/after")
    return found


def _pairs(text: str, name: str) -> dict[str, str]:
    return amounts.pairs(text, f"/{name}")


def _whole(text: str, pointer: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise Invalid("is a whole number", pointer)
    return int(text)


def _zone(sent: Sent, otherwise: str) -> str:
    text = sent.get("timezone", [""])[0].strip()
    return text if is_zone(text) else otherwise


def _with_offset(text: str, zone: str, pointer: str) -> str:
    """An instant as a request has it. Raises Invalid for what is no time at all."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text  # the rules of requests say what is wrong with it
    try:
        return moment.replace(tzinfo=moment.tzinfo or ZoneInfo(zone)).astimezone(UTC).isoformat()
    except OverflowError:
        raise Invalid("lies outside the years 1 to 9999", pointer) from None
