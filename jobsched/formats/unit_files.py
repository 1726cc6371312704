"""Unit files of systemd as `systemctl cat` prints them: behind `# /path/NAME` stands what that file holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from typing import Final

import attrs

from .findings import MOST_VALUES, Fault, Findings

HEADER: Final = re.compile(r"# (/\S*/)?([^/\s]{1,240}\.(?:timer|service))(?:\.d/([^/\s]+\.conf))?")
SECTION: Final = re.compile(r"\[([^\[\]]+)\]")
ASSIGNMENT: Final = re.compile(r"([A-Za-z0-9-]+)\s*=\s*(.*)", re.DOTALL)
LONGEST_LINE: Final = 100_000  # characters, with those that continue it

ASIDE: Final = "X-"  # sections and names of what is there for other programs
MOST_SETTINGS: Final = MOST_VALUES // 3  # each takes the memory of a list or an object


@attrs.frozen
class Setting:
    """One assignment."""

    name: str
    value: str
    line: int


@attrs.define
class Unit:
    """A unit, with all that its files assign: an empty value has taken away what came before."""

    name: str
    line: int
    size: int = 0  # characters of what its files assign
    settings: dict[str, list[Setting]] = attrs.field(factory=dict)  # by `Section.Name`

    def assign(self, section: str, setting: Setting) -> None:
        """Add an assignment."""
        path = f"{section}.{setting.name}"
        self.size += len(path) + len(setting.value)
        if setting.value:
            self.settings.setdefault(path, []).append(setting)
        else:
            self.settings.pop(path, None)


def read(text: str, found: Findings, units: dict[str, Unit]) -> None:
    """Read the units of a text into `units`, by name, drop-ins among them. Raises Fault."""
    unit: Unit | None = None
    section, settings = "", 0
    for number, line in _lines(text, found):
        if header := HEADER.fullmatch(line):
            name, dropped = header[2], header[3] is not None
            if name in units and not dropped:
                found.refuse(f"line {number}", f"{name} is there twice: at line {units[name].line} and here")
            unit, section = units.setdefault(name, Unit(name, number)), ""
        elif not line or line[0] in "#;":
            continue
        elif unit is None:
            found.refuse(f"line {number}", 'before a unit stands "# /etc/systemd/system/NAME.timer": see systemctl cat')
            units.clear()
            return
        elif titled := SECTION.fullmatch(line):
            section = titled[1]
        elif (assigned := ASSIGNMENT.fullmatch(line)) and section:
            if section.startswith(ASIDE) or assigned[1].startswith(ASIDE):
                continue
            settings += 1
            if settings > MOST_SETTINGS:
                raise Fault(f"it holds more than {MOST_SETTINGS:,} settings", f"line {number}")
            unit.assign(section, Setting(assigned[1], assigned[2].strip(), number))
        else:
            found.refuse(f"line {number}", "it is neither a [Section] nor Name=value in one")


def _lines(text: str, found: Findings) -> Iterator[tuple[int, str]]:
    """The lines, without blanks around them; those that end with a backslash go on in the next one."""
    begun, size, parts = 0, 0, list[str]()
    for number, raw in enumerate(StringIO(text, newline="\n"), 1):
        line = raw.strip()
        if parts and line[:1] in ("#", ";"):
            continue  # comments may stand between
        begun, size = (begun, size) if parts else (number, 0)
        if line.endswith("\\") and line[:1] not in ("#", ";"):
            if size <= LONGEST_LINE:  # else it is refused, and there may be millions
                parts.append(line[:-1])
                size += len(line)
            continue
        whole = " ".join([*parts, line]) if parts else line
        parts = []
        if len(whole) > LONGEST_LINE or "\0" in whole:
            found.refuse(f"line {begun}", f"a line holds no NUL character, and {LONGEST_LINE:,} characters at most")
        else:
            yield begun, whole
    if parts:
        found.refuse(f"line {begun}", "the last line ends with a backslash")
