"""Draws what becomes of dues and runs: `python docs/charts.py` writes an SVG file for each.

What is drawn is what the program decides: the fates are those of `owed` and `overlap`, the states those of the table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import attrs

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from jobsched.model.cron import Cron  # noqa: E402  # found by the line above
from jobsched.model.downtime import NO_DAEMON, Downtime  # noqa: E402
from jobsched.model.job import CatchUp, Overlap, Policy  # noqa: E402
from jobsched.model.owed import Situation, overlap, owed  # noqa: E402
from jobsched.model.run import STATES, RunEvent, State  # noqa: E402
from jobsched.model.trigger import Schedule  # noqa: E402

INK, PALE = "#222", "#777"
BLUE, GREEN, AMBER, RED, GREY = (
    ("#4a7a9c", "#cfe2ef"), ("#4a9c5f", "#d3efd9"), ("#9c7a4a", "#f6e6cd"), ("#b04a4a", "#f3d5d5"), ("#888", "#e6e6e6"),
)  # fmt: skip
COLOURS: Final[dict[State, tuple[str, str]]] = {
    "waiting": AMBER, "running": BLUE, "stopping": RED, "succeeded": GREEN, "failed": RED, "timed_out": RED,
    "lost": RED, "cancelled": GREY, "skipped": GREY, "missed": RED,
}  # fmt: skip
ROW: Final = 34


@attrs.define
class Sheet:
    """A drawing in the making."""

    title: str
    width: int
    height: int
    lines: list[str] = attrs.field(factory=list)

    def text(self, x: float, y: float, words: str, *, size: int = 12, colour: str = INK, anchor: str = "start") -> None:
        """Words, whose baseline begins, ends or has its middle at that place."""
        at = f'x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"'
        self.lines.append(f"<text {at}>{escape(words)}</text>")

    def box(self, x: float, y: float, width: float, height: float, colours: tuple[str, str], round_: int = 3) -> None:
        """A rectangle with an edge."""
        at = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round_}"'
        self.lines.append(f'<rect {at} stroke="{colours[0]}" fill="{colours[1]}"/>')

    def line(self, x: float, y: float, to_x: float, to_y: float, *, colour: str = PALE, more: str = "") -> None:
        """A straight line."""
        self.lines.append(f'<path d="M{x:g} {y:g} L{to_x:g} {to_y:g}" stroke="{colour}" fill="none"{more}/>')

    def cross(self, x: float, y: float, colour: str) -> None:
        """What did not run."""
        self.line(x - 5, y - 5, x + 5, y + 5, colour=colour, more=' stroke-width="2"')
        self.line(x - 5, y + 5, x + 5, y - 5, colour=colour, more=' stroke-width="2"')

    def svg(self) -> str:
        """The text of its file."""
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif">'
        frame = f'<rect width="{self.width}" height="{self.height}" rx="6" fill="#fff"/>'
        made = "<!-- made by docs/charts.py -->"
        body = "".join(f"  {line}\n" for line in (f"<title>{escape(self.title)}</title>", made, frame, *self.lines))
        return f"{head}\n{body}</svg>\n"


# The life of a run.

LIVES: Final[tuple[tuple[str, Sequence[tuple[float, RunEvent]]], ...]] = (
    ("it runs", [(0, "start"), (6, "finish")]),
    ("no slot was free", [(0, "wait"), (3, "start"), (9, "finish")]),
    ("its task fails", [(0, "start"), (5, "fail")]),
    ("it runs too long: TERM, KILL", [(0, "start"), (8, "stop"), (10, "time out")]),
    ("somebody cancels it", [(0, "start"), (4, "stop"), (6, "cancel")]),
    ("its node dies", [(0, "start"), (4, "lose")]),
    ("the run before is active", [(0, "skip")]),
    ("its due was found too late", [(0, "miss")]),
)


def life() -> Sheet:
    """What may become of a due, each as a line of time."""
    left, unit = 210, 36
    sheet = Sheet("The life of a run", 700, 50 + ROW * len(LIVES))
    sheet.text(left, 24, "due", anchor="middle")
    sheet.line(left, 32, left, sheet.height - 8, more=' stroke-dasharray="3 3"')
    for row, (words, events) in enumerate(LIVES):
        y = 40 + ROW * row
        sheet.text(left - 16, y + 16, words, anchor="end")
        x = float(left)
        for state, begin, end in _states(events):
            x = left + unit * begin
            if end is not None:
                sheet.box(x, y + 2, unit * (end - begin), 20, COLOURS[state])
                sheet.text(x + 6, y + 16, state, size=11)
                continue
            sheet.box(x + 4, y + 2, 8 + 7 * len(state), 20, COLOURS[state], 10)
            sheet.text(x + 11, y + 16, state, size=11)
    return sheet


def _states(events: Sequence[tuple[float, RunEvent]]) -> Iterator[tuple[State, float, float | None]]:
    """Each state with when it begins and ends, by the table; the last one has no end."""
    state: State | None = None
    ends = [at for at, _ in events[1:]]
    for (at, event), end in zip(events, [*ends, None], strict=True):
        state = STATES.begins[event] if state is None else STATES.after(state, event)
        yield state, at, end
    assert state in STATES.final, "a life has its end"


# One due over time, with grace and catch-up.

DOWN, BACK = datetime(2026, 1, 1, 2, 45, tzinfo=UTC), datetime(2026, 1, 1, 3, 20, 30, tzinfo=UTC)
CASES: Final[tuple[tuple[CatchUp, int | None], ...]] = (
    ("latest", 60), ("latest", 1800), ("none", 1800), ("all", 1800), ("all", None),
)  # fmt: skip


def late() -> Sheet:
    """Which dues run that passed while no daemon ran: the example of docs/time.rst."""
    left, minute = 236, 7.5
    sheet = Sheet("Dues that passed while no daemon ran", 720, 96 + ROW * len(CASES))

    def x(at: datetime) -> float:
        return left + minute * (at - DOWN).total_seconds() / 60 + 30

    sheet.box(x(DOWN), 34, x(BACK) - x(DOWN), sheet.height - 60, ("none", "#f4f4f4"))
    sheet.text((x(DOWN) + x(BACK)) / 2, 24, "no daemon ran", anchor="middle", colour=PALE)
    sheet.line(x(BACK), 34, x(BACK), sheet.height - 26, colour=GREEN[0])
    sheet.text(x(BACK) + 6, 24, "03:20:30, back", colour=GREEN[0])
    sheet.text(20, 52, "catch_up", colour=PALE)
    sheet.text(110, 52, "misfire_grace", colour=PALE)
    schedule = Schedule(trigger=Cron(expression="*/10 * * * *"))
    dues = [DOWN + timedelta(minutes=5 + 10 * number) for number in range(4)]
    for due in dues:
        sheet.text(x(due), 52, f"{due:%H:%M}", anchor="middle")
    for row, (catch_up, grace) in enumerate(CASES):
        y = 80 + ROW * row
        policy = Policy(catch_up=catch_up, misfire_grace=None if grace is None else timedelta(seconds=grace))
        gone = [Downtime(DOWN, BACK, NO_DAEMON)]
        answer = owed(schedule, policy, Situation(next_due=dues[0], now=BACK, able_since=BACK, downtimes=gone))
        sheet.text(20, y + 4, catch_up)
        sheet.text(110, y + 4, "no limit" if grace is None else f"{grace // 60} min")
        starts = 0
        for due in dues:
            [fate] = [each.fate for each in answer.stretches if each.due <= due <= each.until]
            starts += fate != "missed"
            if fate == "missed":
                sheet.cross(x(due), y, RED[0])
                continue
            sheet.lines.append(f'<circle cx="{x(due):g}" cy="{y:g}" r="4" fill="{BLUE[0]}"/>')
            sheet.box(x(BACK) + 8 + 43 * (starts - 1), y - 9, 40, 18, BLUE)
            sheet.text(x(BACK) + 28 + 43 * (starts - 1), y + 4, f"{due:%H:%M}", size=11, anchor="middle")
    words = "cross: missed, with the reason; dot: it runs, when the daemon is back, one after the other"
    sheet.text(20, sheet.height - 10, words, size=11, colour=PALE)
    return sheet


# Overlap.

KINDS: Final[tuple[Overlap, ...]] = ("skip", "queue", "replace", "allow")
EVERY, TAKES, ENDING, WHOLE, WIDE = 10.0, 15.0, 2.0, 54.0, 7.0  # minutes; what is wide has room for a word


@attrs.define
class Bar:
    """A run on the chart, in minutes; `queued` since its due."""

    due: float
    start: float
    end: float
    replaced: bool = False


def overlapping(kind: Overlap) -> tuple[list[Bar], list[float]]:
    """Four dues, ten minutes apart, of a job that takes fifteen: its runs, and the dues that were skipped."""
    bars: list[Bar] = []
    skipped: list[float] = []
    for due in (EVERY * number for number in range(4)):
        active = [bar for bar in bars if bar.start <= due < bar.end]
        queued = any(bar.start > due for bar in bars)
        fate, _ = overlap(Policy(overlap=kind), active=bool(active or queued), queued=queued)
        if fate == "skipped":
            skipped.append(due)
            continue
        start = due
        if fate == "replace":
            active[-1].end, active[-1].replaced = due + ENDING, True
        if fate in ("replace", "queue"):
            start = max(bar.end for bar in bars)
        bars.append(Bar(due, start, start + TAKES))
    return bars, skipped


def overlaps() -> Sheet:
    """Four small charts."""
    sheet = Sheet("What overlap does", 700, 320)
    for number, kind in enumerate(KINDS):
        left, top = 20 + 345 * (number % 2), 12 + 156 * (number // 2)
        _overlap_chart(sheet, left, top, kind)
    return sheet


def _overlap_chart(sheet: Sheet, left: float, top: float, kind: Overlap) -> None:
    minute = 6.0
    bars, skipped = overlapping(kind)
    sheet.text(left, top + 14, kind, size=14)
    for number in range(4):
        x = left + minute * EVERY * number
        sheet.line(x, top + 24, x, top + 122, more=' stroke-dasharray="3 3"')
        sheet.text(x, top + 138, "due" if number == 0 else f"+{EVERY * number:g} min", size=11, colour=PALE)
    for row, bar in enumerate(bars):
        y = top + 30 + 23 * row
        if bar.start > bar.due and kind == "queue":
            sheet.box(left + minute * bar.due, y, minute * (bar.start - bar.due), 18, AMBER)
            if bar.start - bar.due > WIDE:
                sheet.text(left + minute * bar.due + 4, y + 13, "waiting", size=10)
        end = min(bar.end, WHOLE)
        sheet.box(left + minute * bar.start, y, minute * (end - bar.start), 18, BLUE)
        if bar.replaced:
            sheet.box(left + minute * (bar.end - ENDING), y, minute * ENDING, 18, RED)
    for due in skipped:
        sheet.cross(left + minute * due, top + 112, GREY[0])
        sheet.text(left + minute * due + 9, top + 116, "skipped", size=10, colour=PALE)


# The cluster.

HOSTS: Final = ("alpha", "beta", "gamma")


def cluster() -> Sheet:
    """Three hosts that share one database."""
    sheet = Sheet("Three hosts that share one database", 720, 416)
    sheet.box(270, 12, 180, 34, ("#888", "#f4f4f4"), 17)
    sheet.text(360, 34, "curl, to any of them", anchor="middle")
    tips = ' marker-end="url(#tip)" marker-start="url(#tip)"'
    shape = '<path d="M0 0 L8 4 L0 8 z" fill="#555"/>'
    marker = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"'
    sheet.lines.insert(0, f'<defs><marker id="tip" {marker}>{shape}</marker></defs>')
    for number, host in enumerate(HOSTS):
        left = 20 + 240 * number
        middle = left + 100
        sheet.line(290 + 70 * number, 46, middle + 10 - 10 * number, 82, colour="#555", more=' marker-end="url(#tip)"')
        sheet.box(left, 86, 200, 150, ("#4a7a9c", "#eef5fa"), 6)
        sheet.text(middle, 106, f"host {host}", size=13, anchor="middle")
        sheet.box(left + 14, 116, 172, 60, ("#4a7a9c", "#fff"), 4)
        _lines(sheet, middle, (136, "jobsched: a node"), (152, "HTTP on 127.0.0.1"), (167, "claims, executes, records"))
        sheet.box(left + 14, 186, 172, 40, ("#9c7a4a", "#fdf6ec"), 4)
        _lines(sheet, middle, (202, "its own scripts and catalog,"), (217, "the output of its runs"))
        sheet.line(middle, 238, 238 + 122 * number, 304 if number == 1 else 312, colour="#555", more=tips)
    for left in (208, 448):
        sheet.line(left, 206, left + 64, 206, colour="#9c7a4a", more=f' stroke-dasharray="5 4"{tips}')
        sheet.text(left + 32, 198, "output", size=11, colour="#9c7a4a", anchor="middle")
    for x, y, words in (
        (34, 276, "claims, outcomes,"), (34, 290, "a heartbeat every 2 s"),
        (560, 276, "news of changes"), (560, 290, "(LISTEN/NOTIFY)"),
    ):  # fmt: skip
        sheet.text(x, y, words, size=11, colour="#555")
    sheet.lines.append(f'<path d="M240 322 v66 a120 16 0 0 0 240 0 v-66" stroke="{GREEN[0]}" fill="#eefaf1"/>')
    sheet.lines.append(f'<ellipse cx="360" cy="322" rx="120" ry="16" stroke="{GREEN[0]}" fill="#eefaf1"/>')
    sheet.text(360, 327, "PostgreSQL", size=13, anchor="middle")
    below = ("jobs, runs, nodes, tails of outputs", "row locks: one decision for each due", "the clock that counts")
    _lines(sheet, 360, *zip((356, 372, 388), below, strict=True))
    return sheet


def _lines(sheet: Sheet, middle: float, *lines: tuple[float, str]) -> None:
    for y, words in lines:
        sheet.text(middle, y, words, size=11, colour="#555", anchor="middle")


CHARTS: Final[dict[str, Callable[[], Sheet]]] = {
    "life": life, "late": late, "overlap": overlaps, "cluster": cluster,
}  # fmt: skip


def main() -> None:
    """Write the files."""
    for name, draw in CHARTS.items():
        (HERE / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
