"""Windows on the output of a run: some lines of it, by their numbers. However long it is, no more is kept in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

import attrs
from markupsafe import Markup

from .. import files
from ..model.errors import Unreachable
from ..model.run import Run
from ..registry.registry import Registry
from . import terminal

LINES: Final = 500  # of a window
CHUNK: Final = 256 * 1024
LONGEST: Final = 64 * 1024  # bytes of a line that are kept
FOUND: Final = 100  # lines


@attrs.frozen(kw_only=True)
class Window:
    """Lines, the number of the first of them, and how many there are in all so far. `partial`: the lines before are
    not here, so that numbers count from the first that is."""

    first: int = 1
    lines: Sequence[Markup] = ()
    total: int = 0
    size: int = 0
    partial: bool = False
    where: str = ""  # the node that has the rest
    printed: datetime | None = None  # when something was printed last, by the clock of this host; None: nobody knows

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.first + len(self.lines) - 1

    @property
    def earlier(self) -> int | None:
        """Where the window before begins."""
        return max(self.first - LINES, 1) if self.first > 1 else None

    @property
    def later(self) -> int | None:
        """Where the window behind begins."""
        return self.last + 1 if self.last < self.total else None


@attrs.frozen
class Hit:
    """A line in which something was found."""

    number: int
    line: Markup


async def window(registry: Registry, run: Run, first: int | None) -> Window:
    """The lines from `first` on; None: the last ones."""
    where = await registry.output_location(run)
    if where.here:
        path = registry.output_path(run.id)

        def look(wanted: Callable[[], None]) -> Window:
            file = opened(path)
            if file is None:
                return Window()
            with file:
                return attrs.evolve(read(file, first, wanted), printed=printed(file))

        found: Window = await registry.in_thread(look)
        return found
    tail = await registry.tail(run.id)
    if tail is None:
        return Window(partial=True, where=run.node or "")
    found = read(BytesIO(tail.data), first, lambda: None)
    return attrs.evolve(found, partial=tail.start > 0, where=run.node or "")


async def search(registry: Registry, run: Run, text: str) -> list[Hit]:
    """Up to 100 lines that hold `text`, in whatever case of ASCII; of an output that is here."""
    if not (await registry.output_location(run)).here:
        return []
    path, sought = registry.output_path(run.id), text.encode().lower()

    def look(wanted: Callable[[], None]) -> list[Hit]:
        file = opened(path)
        found: list[Hit] = []
        if file is not None:
            with file:
                for number, (line, more) in enumerate(cut_lines(file, wanted), 1):
                    if sought in line.lower():
                        found.append(Hit(number, terminal.line(line, more)))
                        if len(found) == FOUND:
                            break
        return found

    hits: list[Hit] = await registry.in_thread(look)
    return hits


def opened(path: Path) -> BinaryIO | None:
    """The open file of an output; None while there is none. Raises Unreachable."""
    try:
        return files.reading(path.parents[1], path.parent.name, path.name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        raise Unreachable("the file with what it printed cannot be read") from None


def printed(file: BinaryIO) -> datetime | None:
    """When its file was written last: no line has a time of its own."""
    at = os.fstat(file.fileno())
    return datetime.fromtimestamp(at.st_mtime, UTC) if at.st_size else None


def read(file: BinaryIO, first: int | None, wanted: Callable[[], None]) -> Window:
    """A window of a file."""
    total, size = count(file, wanted)
    begin = max(total - LINES + 1, 1) if first is None or first > total else max(first, 1)
    file.seek(0)
    skip(file, begin - 1, wanted)
    lines = []
    for _, (line, more) in zip(range(LINES), cut_lines(file, wanted), strict=False):
        lines.append(terminal.line(line, more))
    return Window(first=begin, lines=lines, total=max(total, begin + len(lines) - 1), size=size)


def count(file: BinaryIO, wanted: Callable[[], None]) -> tuple[int, int]:
    """How many lines it has, the last one whole or not, and how many bytes."""
    breaks, size, last = 0, 0, b"\n"
    while piece := file.read(CHUNK):
        wanted()
        breaks += piece.count(b"\n")
        size += len(piece)
        last = piece[-1:]
    return breaks + (last != b"\n"), size


def skip(file: BinaryIO, lines: int, wanted: Callable[[], None]) -> None:
    """Go to the begin of the line behind so many."""
    while lines > 0 and (piece := file.read(CHUNK)):
        wanted()
        breaks = piece.count(b"\n")
        if breaks < lines:
            lines -= breaks
            continue
        at = -1
        for _ in range(lines):
            at = piece.index(b"\n", at + 1)
        file.seek(at + 1 - len(piece), 1)
        return


def cut_lines(file: BinaryIO, wanted: Callable[[], None]) -> Iterator[tuple[bytes, int]]:
    """Line by line, without its end: of a very long one its begin, and how many bytes were left out."""
    while line := file.readline(LONGEST):
        wanted()
        begin, more = line.rstrip(b"\n"), 0
        while not line.endswith(b"\n") and (line := file.readline(LONGEST)):
            wanted()
            more += len(line.rstrip(b"\n"))
        yield begin, more
