"""Timers of systemd, each with its service, as jobs; a text is framed as `systemctl cat` prints it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..model.errors import Invalid
from ..model.job_set import let_go
from ..model.labels import is_link
from . import on_calendar, unit_files
from .findings import MOST_CHARACTERS, Fault, Findings
from .known_tasks import Call, KnownTasks, as_fault
from .unit_files import Setting, Unit
from .words import split_systemd, without_prefix

LONGEST_SPAN: Final = 200  # characters
SPAN: Final = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)")
SECONDS: Final = {
    "": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1, "ms": 0.001, "msec": 0.001, "m": 60, "min": 60, "minute": 60,
    "minutes": 60, "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600, "d": 86_400, "day": 86_400, "days": 86_400,
    "w": 604_800, "week": 604_800, "weeks": 604_800, "M": 2_629_800, "month": 2_629_800, "months": 2_629_800,
    "y": 31_557_600, "year": 31_557_600, "years": 31_557_600,
}  # fmt: skip
YES: Final = {"1": True, "yes": True, "true": True, "on": True, "0": False, "no": False, "false": False, "off": False}

CATALOG: Final = "the section of the task in the catalog says how it runs"
ORDER: Final = "services are not ordered here"
# What is left aside; why.
LEFT_ASIDE: Final[Mapping[str, str]] = {
    "Unit.Documentation": "`runbook` takes one http or https link",
    "Unit.After": ORDER, "Unit.Before": ORDER, "Unit.Wants": ORDER,
    "Install.WantedBy": "a job is there as soon as it is made", "Install.Also": "a job is there as soon as it is made",
    "Timer.AccuracySec": "runs start when they are due",
    "Timer.OnBootSec": "nothing starts at a boot: the first due comes an interval after the job was made",
    "Timer.OnStartupSec": "the first due comes an interval after the job was made",
    "Timer.OnActiveSec": "the first due comes an interval after the job was made",
    "Service.StandardOutput": "what a run prints is kept", "Service.StandardError": "what a run prints is kept",
    "Service.SyslogIdentifier": "what a run prints is kept", "Service.TimeoutStopSec": "KILL_GRACE says that",
}  # fmt: skip
# The only values that mean nothing.
HARMLESS: Final[Mapping[str, tuple[str, ...]]] = {
    "Service.Type": ("oneshot", "simple", "exec"),
    "Service.Restart": ("no",),
    "Service.RemainAfterExit": ("no", "false", "off", "0"),
    "Timer.WakeSystem": ("no", "false", "off", "0"),
    "Timer.RemainAfterElapse": ("yes", "true", "on", "1"),
    "Timer.FixedRandomDelay": ("yes", "true", "on", "1", "no", "false", "off", "0"),
}
# What is refused for another reason than that it has no counterpart.
REFUSED: Final[Mapping[str, str]] = {
    "Service.Restart": "`retries` of a job says how often it is tried again: leave it out, and give the job that",
    "Service.Type": "a task ends when its program does, as oneshot, simple and exec are",
    "Service.EnvironmentFile": "parameters are written out",
    "Service.ExecStartPre": "a job is one command: put the others into its script",
    "Service.ExecStartPost": "a job is one command: put the others into its script",
    "Timer.OnUnitInactiveSec": "intervals are between starts, not from the end of one run to the next",
}
MAPPED: Final = frozenset({
    "Unit.Description", "Timer.OnCalendar", "Timer.OnUnitActiveSec", "Timer.Persistent", "Timer.RandomizedDelaySec",
    "Timer.Unit", "Service.ExecStart", "Service.User", "Service.TimeoutStartSec", "Service.TimeoutSec",
    "Service.RuntimeMaxSec", "Service.Environment",
})  # fmt: skip
ONCE: Final = MAPPED - {"Service.Environment"}


def read(text: str, found: Findings, tasks: KnownTasks) -> None:
    """Read the timers of a text, each with the service that it starts."""
    units: dict[str, Unit] = {}
    try:
        _read(text, found, tasks, units)
    finally:
        let_go(units)


def _read(text: str, found: Findings, tasks: KnownTasks, units: dict[str, Unit]) -> None:
    before = found.faults
    unit_files.read(text, found, units)
    used, size = set[str](), 0
    for unit in units.values():
        if unit.name.endswith(".timer"):
            timer = _Timer(unit, units, found, tasks)
            size += timer.size
            if size > MOST_CHARACTERS:
                raise Fault(
                    f"it holds more than {MOST_CHARACTERS:,} characters, those counted of a service each time that a "
                    "timer starts it",
                    f"line {unit.line}",
                )
            used.add(timer.read())
    for unit in units.values():
        if unit.name.endswith(".service") and unit.name not in used:
            found.refuse(f"line {unit.line}", f"no timer here starts {unit.name}")
    if not any(name.endswith(".timer") for name in units) and found.faults == before:
        found.refuse("line 1", "there is no timer in it")


class _Timer:
    """A timer and its service on their way to a job."""

    def __init__(self, unit: Unit, units: Mapping[str, Unit], found: Findings, tasks: KnownTasks) -> None:
        self._found = found
        self._tasks = tasks
        self._timer = unit.settings
        self._unit = unit
        name = self._timer.get("Timer.Unit", [])
        self._service_name = name[-1].value if name else unit.name.removesuffix("timer") + "service"
        self._file = units.get(self._service_name)
        self._service = {} if self._file is None else self._file.settings

    @property
    def size(self) -> int:
        """Characters of the timer and of its service."""
        return self._unit.size + (0 if self._file is None else self._file.size)

    def read(self) -> str:
        """Take the job, or note all that is wrong with it; the name of the service."""
        before = self._found.faults
        if self._file is None:
            self._found.refuse(self._unit.name, f"{self._service_name}, which it starts, is not there")
        for settings in (self._timer, self._service):
            self._look(settings)
        if "Timer.OnCalendar" in self._timer or "Timer.OnUnitActiveSec" not in self._timer:
            self._refuse_beside_calendar()
        job = {"id": self._unit.name.removesuffix(".timer"), **self._when(), **self._about(), **self._rules()}
        call = self._call() if self._file is not None else None
        if call is not None:
            job |= call.fields
        if self._found.faults == before:
            self._found.add(self._unit.name, job)
        return self._service_name

    def _look(self, settings: Mapping[str, list[Setting]]) -> None:
        for path, found in settings.items():
            last = found[-1]
            if path in HARMLESS and last.value.lower() in HARMLESS[path]:
                continue
            if path in LEFT_ASIDE:
                if path != "Unit.Documentation" or not self._runbook(found):
                    self._note(last, LEFT_ASIDE[path])
            elif path not in MAPPED:
                why = REFUSED.get(path, CATALOG if path.startswith("Service.") else "it has no counterpart")
                self._refuse(last, f"{path.partition('.')[2]}: {why}")
            elif path in ONCE and len(found) > 1:
                self._refuse(last, f"{last.name} is there more than once: a job is one command with one schedule")

    def _refuse_beside_calendar(self) -> None:
        for name in ("OnBootSec", "OnStartupSec", "OnActiveSec"):
            for setting in self._timer.get(f"Timer.{name}", ()):
                self._refuse(setting, f"{name} starts it once after a boot or a start of systemd; nothing here does")

    def _when(self) -> dict[str, object]:
        calendar, active = self._timer.get("Timer.OnCalendar"), self._timer.get("Timer.OnUnitActiveSec")
        if (calendar is None) == (active is None):
            self._found.refuse(self._unit.name, "it has to have either OnCalendar or OnUnitActiveSec")
            return {}
        if active is not None:
            seconds = self._seconds(active[-1])
            return {} if seconds is None else {"interval": {"seconds": seconds}}
        assert calendar is not None
        try:
            return on_calendar.fields(calendar[-1].value)
        except Invalid as why:
            for each in why.all:
                self._refuse(calendar[-1], each.detail)
            return {}

    def _rules(self) -> dict[str, object]:
        rules: dict[str, Any] = {}
        for setting in self._timer.get("Timer.Persistent", ())[-1:]:
            if (persistent := YES.get(setting.value.lower())) is None:
                self._refuse(setting, f"{setting.name} is yes or no")
            elif persistent:
                rules |= {"misfire_grace": None, "catch_up": "latest"}
        for setting in self._timer.get("Timer.RandomizedDelaySec", ())[-1:]:
            rules |= {"jitter": jitter} if (jitter := self._seconds(setting)) else {}
        limits = [
            seconds
            for name in ("TimeoutStartSec", "TimeoutSec", "RuntimeMaxSec")
            for setting in self._service.get(f"Service.{name}", ())[-1:]
            if (seconds := self._limit(setting)) is not None
        ]
        return rules | ({"timeout": min(limits)} if limits else {})

    def _limit(self, setting: Setting) -> float | None:
        if setting.value.lower() == "infinity":
            self._note(setting, "JOB_LIVETIME, or the task, says how long a run may take")
            return None
        oneshot = [each.value for each in self._service.get("Service.Type", ())][-1:] == ["oneshot"]
        if oneshot == (setting.name == "RuntimeMaxSec"):
            self._note(setting, "it has no effect on a service of this Type")
            return None
        return self._seconds(setting)

    def _seconds(self, setting: Setting) -> float | None:
        """The seconds of a span such as `1h 30min`."""
        text = setting.value[:LONGEST_SPAN]
        parts = [found.groups() for found in SPAN.finditer(text)]
        plain = "".join(found[0] for found in SPAN.finditer(text))
        if not parts or plain != setting.value.rstrip() or any(unit not in SECONDS for _, unit in parts):
            self._refuse(setting, f'{setting.name}: "{setting.value[:80]}" is no span such as 1h 30min')
            return None
        total = sum(float(number) * SECONDS[unit] for number, unit in parts)
        return int(total) if total == int(total) else round(total, 6)

    def _about(self) -> dict[str, object]:
        descriptions = [each.get("Unit.Description", []) for each in (self._service, self._timer)]
        documents = [each.get("Unit.Documentation", []) for each in (self._service, self._timer)]
        found: dict[str, Any] = {}
        for texts in descriptions:
            if texts and "description" not in found:
                found["description"] = " ".join(texts[-1].value.split())
        for texts in documents:
            if texts and "runbook" not in found and self._runbook(texts):
                found["runbook"] = texts[-1].value
        return found

    def _runbook(self, texts: list[Setting]) -> bool:
        return len(texts) == 1 and is_link(texts[-1].value)

    def _call(self) -> Call | None:
        starts = self._service.get("Service.ExecStart", [])
        if not starts:
            self._found.refuse(self._service_name, "it has no ExecStart")
            return None
        users = [each.value for each in self._service.get("Service.User", ())][-1:]
        try:
            call = self._tasks.call(without_prefix(split_systemd(starts[-1].value)), users[0] if users else None)
        except Invalid as why:
            self._refuse(starts[-1], *as_fault(why))
            return None
        for setting in self._service.get("Service.Environment", ()):
            try:
                for word in split_systemd(setting.value):
                    self._tasks.take(call, *_pair(word))
            except Invalid as why:
                self._refuse(setting, *as_fault(why))
        return call

    def _note(self, setting: Setting, why: str) -> None:
        self._found.note(_place(setting), f"{setting.name} is left aside: {why}")

    def _refuse(self, setting: Setting, detail: str, section: str = "") -> None:
        self._found.refuse(_place(setting), detail, section)


def _place(setting: Setting) -> str:
    return f"line {setting.line}"


def _pair(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign:
        raise Invalid(f'"{word[:80]}" is no NAME=value')
    return name, value
