"""What a command shows: tables as columns that are declared once, JSON, names; in colours on a terminal alone."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..model.printable import shown
from .client import Json
from .errors import Usage

FORMATS: Final = ("table", "wide", "json", "jsonl", "name")
TEMPLATE: Final = "template="
GAP: Final = 2
STYLES: Final[Mapping[str, str]] = {
    "failed": "red", "timed_out": "red", "lost": "red", "missed": "red", "overdue": "bold red", "dead": "red",
    "running": "blue", "stopping": "blue", "waiting": "cyan", "paused": "yellow", "skipped": "yellow",
    "cancelled": "yellow", "succeeded": "green", "alive": "green",
    "create": "green", "+": "green", "change": "yellow", "~": "yellow", "delete": "red", "-": "red",
}  # fmt: skip
_CODES: Final = {
    "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "bold": "1", "dim": "2",
}  # fmt: skip
_FIELD: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Column:
    """One column. `keep`: of two that a narrow terminal has no room for, the lower one goes; None: it stays.

    `cut`: it may be shortened on a terminal. `wide`: it is shown by `-o wide` alone, as `value` is by `full`.
    """

    title: str
    value: Callable[[Json], str]
    keep: int | None = 1
    cut: bool = False
    wide: bool = False
    right: bool = False
    styled: bool = False
    full: Callable[[Json], str] | None = None


class Output:
    """Writes to stdout, and what is not the answer itself to stderr."""

    def __init__(self, form: str | None, headers: bool, environment: Mapping[str, str]) -> None:
        self.form = form or "table"
        if self.form not in FORMATS and not self.form.startswith(TEMPLATE):
            raise Usage(f"-o takes {', '.join(FORMATS)} or template=TEXT, such as template='{{id}} {{state}}'")
        self.headers = headers
        self.terminal = sys.stdout.isatty()
        plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
        self.coloured = self.terminal and not plain
        self.coloured_errors = sys.stderr.isatty() and not plain

    @property
    def people(self) -> bool:
        """Whether a person reads it: sentences may stand around a table."""
        return self.form in ("table", "wide")

    @property
    def wide(self) -> bool:
        """Whether nothing is to be left out."""
        return self.form == "wide" or not self.terminal

    def show(self, text: str = "", style: str = "") -> None:
        """A line of the answer."""
        plain = self.safe(text)
        sys.stdout.write(self.paint(plain, style) + "\n")

    def note(self, text: str, style: str = "") -> None:
        """A line beside the answer."""
        sys.stdout.flush()
        plain = "\n".join(map(shown, text.split("\n")))
        sys.stderr.write((painted(plain, style) if self.coloured_errors else plain) + "\n")
        sys.stderr.flush()

    def safe(self, text: str) -> str:
        """A text without what a terminal would take for an order; line breaks stay."""
        return "\n".join(map(shown, text.split("\n"))) if self.terminal else text

    def paint(self, text: str, style: str) -> str:
        """Coloured, where colours are wanted."""
        return painted(text, style) if self.coloured else text

    def one(self, value: Json, show: Callable[[], None]) -> None:
        """A single thing: `show` tells a person of it."""
        if self.people:
            show()
        else:
            self.rows([value], ())

    def rows(self, found: Iterable[Json], columns: Sequence[Column], empty: str = "") -> int:
        """A list, in the form that was asked for; how many there were. `empty`: what a person is told of none."""
        if self.form == "json":
            values = list(found)
            self.show(json.dumps(values, indent=2, ensure_ascii=False))
            return len(values)
        if self.people:
            return self._table(found, columns, empty)
        count = 0
        for value in found:
            self.show(self._line(value))
            count += 1
        return count

    def _line(self, value: Json) -> str:
        if self.form == "jsonl":
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if self.form == "name":
            return str(value.get("id") or value.get("job_id") or value.get("name"))
        return _FIELD.sub(lambda place: _at(value, place[1]), _unescaped(self.form.removeprefix(TEMPLATE)))

    def _table(self, values: Iterable[Json], columns: Sequence[Column], empty: str) -> int:
        """A table; in a pipe line by line as they come, for widths are looked for on a terminal alone."""
        wide = self.wide
        there = [column for column in columns if self.form == "wide" or not column.wide]
        lines = ([(each.full or each.value if wide else each.value)(value) for each in there] for value in values)
        count = 0
        if self.terminal:
            drawn = list(lines)
            count = len(drawn)
            if drawn:
                self._draw(there, drawn)
        else:
            for count, line in enumerate(lines, 1):
                if count == 1 and self.headers:
                    self._line_of_tabs([column.title for column in there])
                self._line_of_tabs(line)
        if not count and empty:
            self.note(empty)
        return count

    def _line_of_tabs(self, cells: Sequence[str]) -> None:
        sys.stdout.write("\t".join(map(shown, cells)).rstrip("\t") + "\n")

    def _draw(self, columns: Sequence[Column], lines: Sequence[Sequence[str]]) -> None:
        from shutil import get_terminal_size

        from rich.cells import cell_len, set_cell_size  # rich.console takes 0.1 s to import, and draws no better

        titles = [column.title if self.headers else "" for column in columns]
        cells = [[shown(cell) for cell in line] for line in lines]
        widths = [max(map(cell_len, column)) for column in zip(titles, *cells, strict=True)]
        if self.form != "wide":
            widths = fitting(columns, widths, get_terminal_size().columns)
        for number, line in enumerate([titles, *cells] if self.headers else cells):
            head = self.headers and number == 0
            drawn = []
            for column, cell, width in zip(columns, line, widths, strict=True):
                if width:
                    room = width - cell_len(cell)
                    text = cell if room >= 0 else set_cell_size(cell, width - 1) + "…"
                    style = "bold" if head else STYLES.get(cell, "") if column.styled else ""
                    pad = " " * max(0, room)
                    painted = self.paint(text, style)
                    drawn.append(pad + painted if column.right else painted + pad)
            sys.stdout.write((" " * GAP).join(drawn).rstrip() + "\n")


def fitting(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The widths of columns that fit into `room`: what may be cut is cut down to 12 cells, then columns go, and then
    what may be cut takes what is left. 0: the column is not shown."""
    found = list(widths)
    least = [min(width, 12) if column.cut else width for column, width in zip(columns, widths, strict=True)]
    while sum(each + GAP for each in least if each) - GAP > room:
        going = [(column.keep, number) for number, column in enumerate(columns) if column.keep and least[number]]
        if not going:
            break
        least[min(going)[1]] = 0
    left = room - sum(each + GAP for each in least if each) + GAP
    for number, column in enumerate(columns):
        more = max(0, min(found[number] - least[number], left)) if column.cut and least[number] else 0
        found[number] = least[number] + more
        left -= more
    while left < 0 and max(found) > 4:  # even what has to stay has no room
        cut = max(range(len(found)), key=lambda number: found[number])
        left += 1
        found[cut] -= 1
    return found


def painted(text: str, style: str) -> str:
    """A text in colours, as a terminal takes them."""
    codes = ";".join(_CODES[word] for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m" if codes else text


def _at(value: object, path: str) -> str:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else json.dumps(value) if isinstance(value, (dict, list, bool)) else str(value)


def _unescaped(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\t", "\t")
