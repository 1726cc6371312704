"""Draws the state machines: `python docs/drawings.py` writes an SVG file for each, from its table.

What is drawn is what the program goes by; here it is said only where each state stands in its drawing.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import attrs

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from jobsched.model.node import MEMBERSHIP  # noqa: E402  # found by the line above
from jobsched.model.run import PROCESS, STATES  # noqa: E402
from jobsched.model.state_machine import StateMachine  # noqa: E402

WIDTH, HEIGHT = 96, 34  # of a state, in pixels
MARGIN = 24
APART = 9  # between an arrow and the one back
LINE = 14  # of a label

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"
     font-family="sans-serif" font-size="13" fill="#222">
  <title>{title}</title>
  <!-- made by docs/drawings.py -->
  <defs>
    <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
      <path d="M0 0 L8 4 L0 8 z" fill="#555"/>
    </marker>
  </defs>
  <rect width="{width}" height="{height}" fill="#fff"/>
"""

Point = tuple[float, float]


@attrs.frozen
class Drawing:
    """A machine and where its states stand: the middle of each, in pixels. `begins` is where the dot stands from which
    the arrow to a state comes, `labels` how far along an arrow its label is, `loops` on which side of a state the arrow
    is that leads back to it: -1 left, 1 right.
    """

    title: str
    machine: StateMachine[Any, Any]
    places: Mapping[str, Point]
    begins: Mapping[str, Point]
    labels: Mapping[tuple[str, str], float] = attrs.field(factory=dict)
    loops: Mapping[str, int] = attrs.field(factory=dict)

    def svg(self) -> str:
        """The text of its file."""
        assert set(self.places) == set(self.machine.states), "each state has its place"
        points = [*self.places.values(), *self.begins.values()]
        width = max(x for x, _ in points) + WIDTH / 2 + MARGIN + (60 if 1 in self.loops.values() else 0)
        height = max(y for _, y in points) + HEIGHT / 2 + MARGIN
        head = HEAD.format(title=escape(self.title), width=round(width), height=round(height))
        return head + "".join(f"  {line}\n" for line in self._lines()) + "</svg>\n"

    def _lines(self) -> Iterator[str]:
        arrows: dict[tuple[str, str], list[str]] = {}
        for (before, what), after in self.machine.table.items():
            arrows.setdefault((before, after), []).append(what)
        for state, x_y in self.places.items():
            yield from _box(state, x_y, state in self.machine.final)
        for what, state in self.machine.begins.items():
            yield from self._begin(what, state)
        for (before, after), whats in arrows.items():
            back = before != after and (after, before) in arrows
            yield from self._arrow(before, after, whats, APART if back else 0)

    def _begin(self, what: str, state: str) -> Iterator[str]:
        dot, place = self.begins[state], self.places[state]
        yield f'<circle cx="{dot[0]:g}" cy="{dot[1]:g}" r="4" fill="#555"/>'
        end = _edge(place, dot)
        yield from _line(dot, end)
        yield from _label(_between(dot, end, 0.5), [what])

    def _arrow(self, before: str, after: str, whats: list[str], apart: float) -> Iterator[str]:
        start, end = self.places[before], self.places[after]
        if before == after:
            yield from _loop(start, self.loops[before], whats)
            return
        (from_x, from_y), (to_x, to_y) = start, end
        far = math.hypot(to_x - from_x, to_y - from_y)
        left = ((to_y - from_y) / far, (from_x - to_x) / far)
        if apart:
            start, end = _moved(start, left, apart), _moved(end, left, apart)
        tail = _edge(start, end, self.places[before])
        tip = _edge(end, start, self.places[after])
        yield from _line(tail, tip)
        yield from _label(_between(tail, tip, self.labels.get((before, after), 0.5)), whats)


def _box(state: str, place: Point, final: bool) -> Iterator[str]:
    x, y = place
    colour = 'stroke="#4a9c5f" fill="#eefaf1"' if final else 'stroke="#4a7a9c" fill="#eef5fa"'
    size = f'x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"'
    yield f"<rect {size} {colour}/>"
    yield f'<text x="{x:g}" y="{y + 5:g}" text-anchor="middle">{escape(state)}</text>'


def _line(start: Point, end: Point) -> Iterator[str]:
    yield f'<path d="M{_xy(start)} L{_xy(end)}" stroke="#555" fill="none" marker-end="url(#tip)"/>'


def _loop(place: Point, side: int, whats: list[str]) -> Iterator[str]:
    x, y = place[0] + side * (WIDTH / 2 + 1), place[1]
    path = f"M{_xy((x, y - 10))} C{_xy((x + side * 40, y - 24))} {_xy((x + side * 40, y + 24))} {_xy((x, y + 10))}"
    yield f'<path d="{path}" stroke="#555" fill="none" marker-end="url(#tip)"/>'
    yield from _label((x + side * 30, y), whats, "start" if side > 0 else "end")


def _label(place: Point, whats: list[str], anchor: str = "middle") -> Iterator[str]:
    x, y = place
    first = y + 4 - LINE * (len(whats) - 1) / 2
    for number, what in enumerate(whats):
        yield (
            f'<text x="{x:.1f}" y="{first + LINE * number:.1f}" text-anchor="{anchor}" font-size="11" fill="#555" '
            f'stroke="#fff" stroke-width="4" paint-order="stroke">{escape(what)}</text>'
        )


def _edge(place: Point, towards: Point, box: Point | None = None) -> Point:
    """Where the way from a place in a box towards another place leaves the box."""
    (x, y), (middle_x, middle_y) = place, box or place
    over, down = towards[0] - x, towards[1] - y
    sides = []
    if over:
        sides.append((middle_x + math.copysign(WIDTH / 2 + 1, over) - x) / over)
    if down:
        sides.append((middle_y + math.copysign(HEIGHT / 2 + 1, down) - y) / down)
    share = min(sides)
    return x + over * share, y + down * share


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _moved(place: Point, direction: Point, far: float) -> Point:
    return place[0] + direction[0] * far, place[1] + direction[1] * far


def _xy(place: Point) -> str:
    return f"{place[0]:.1f} {place[1]:.1f}"


DRAWINGS = {
    "states-run": Drawing(
        title="The states of a run",
        machine=STATES,
        places={
            "skipped": (90, 72), "missed": (235, 72), "cancelled": (440, 72),
            "waiting": (160, 190), "running": (360, 190), "stopping": (590, 190),
            "succeeded": (190, 330), "failed": (340, 330), "timed_out": (480, 330), "lost": (620, 330),
        },
        begins={"waiting": (60, 190), "running": (360, 130), "skipped": (90, 20), "missed": (235, 20)},
        labels={
            ("running", "failed"): 0.6, ("running", "timed_out"): 0.4, ("running", "lost"): 0.3,
            ("stopping", "failed"): 0.3, ("stopping", "timed_out"): 0.4, ("stopping", "lost"): 0.6,
        },
    ),
    "states-process": Drawing(
        title="The states of a run's process",
        machine=PROCESS,
        places={
            "started": (180, 50), "exited": (500, 50),
            "ending": (180, 170), "killed": (180, 290), "gone": (500, 230),
        },
        begins={"started": (70, 50)},
        loops={"ending": -1, "killed": -1, "gone": 1},
    ),
    "states-node": Drawing(
        title="Where a daemon stands among the nodes",
        machine=MEMBERSHIP,
        places={"outside": (180, 50), "joining": (460, 50), "inside": (460, 190), "fenced": (180, 190)},
        begins={"outside": (70, 50)},
        labels={("inside", "outside"): 0.3, ("fenced", "joining"): 0.3},
        loops={"fenced": -1},
    ),
}  # fmt: skip


def main() -> None:
    """Write the files."""
    for name, drawing in DRAWINGS.items():
        (HERE / f"{name}.svg").write_text(drawing.svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
