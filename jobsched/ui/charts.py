"""Charts as SVG, made by the server. Pure functions: the same numbers give the same picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from markupsafe import Markup, escape

WIDTH: Final = 960
STRIP_HEIGHT: Final = 84
LEFT: Final = 52  # room for the numbers of the scale
KINDS: Final = (("good", "succeeded"), ("bad", "failed"), ("pause", "missed"), ("dull", "skipped"))


@attrs.frozen(kw_only=True)
class Bar:
    """A run in a timeline: seconds that it was late, and that it took (None: it did not start)."""

    link: str
    text: str
    tone: str
    late: float = 0
    took: float | None = None


@attrs.frozen(kw_only=True)
class Hour:
    """What came due within an hour, by kind, as `KINDS` has them."""

    link: str
    text: str
    counts: Mapping[str, int]


@attrs.frozen(kw_only=True)
class Lane:
    """The dues of one job, as parts of the whole time: 0 is its begin, 1 its end."""

    name: str
    link: str
    dues: Sequence[tuple[float, str]]  # with what is said of each


def timeline(bars: Sequence[Bar], timeout: float | None, scale_text: Mapping[str, str], title: str) -> Markup:
    """Runs of a job, oldest first: how late each was, how long it took, and where the timeout lies if it is near.

    `scale_text`: what stands at the left (`top`), and below (`first`, `last`).
    """
    height, base = 180, 150.0
    highest = tallest(bars, timeout)
    step = (WIDTH - LEFT) / max(len(bars), 1)
    wide = max(min(step * 0.75, 28), 2)
    parts = [_line(base), _text(2, 16, scale_text["top"]), _text(2, base, "0")]
    parts += [_text(LEFT, 172, scale_text["first"]), _text(WIDTH - 4, 172, scale_text["last"], "end")]
    for number, bar in enumerate(bars):
        x = LEFT + number * step + (step - wide) / 2
        up = base - (base - 14) * min(bar.late, highest) / highest
        shapes = ""
        if bar.late and bar.took is not None:
            shapes += _rect(x, up, wide, base - up, "late")
        tall = 5.0 if bar.took is None else max((base - 14) * bar.took / highest, 3)
        shapes += _rect(x, (base if bar.took is None else up) - tall, wide, tall, f"c-{bar.tone}")
        parts.append(_link(bar.link, bar.text, shapes))
    if timeout is not None and timeout <= highest:
        y = base - (base - 14) * timeout / highest
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(WIDTH - 4, y - 3, "timeout", "end"))
    return _svg(height, title, parts)


def tallest(bars: Sequence[Bar], timeout: float | None) -> float:
    """Seconds at the top of the scale: those of the longest run, and the timeout if that is not far above."""
    longest = max([bar.late + bar.took for bar in bars if bar.took is not None], default=0.0) or 1.0
    return max(longest, timeout) if timeout is not None and timeout <= 3 * longest else longest


def hours(strip: Sequence[Hour], title: str, marks: Sequence[str]) -> Markup:
    """What came due, hour by hour, stacked by what became of it. `marks` are spread evenly below, from the begin to the
    end. What is written stands beside the picture, which is as wide as there is room."""
    base = float(STRIP_HEIGHT)
    most = max((sum(hour.counts.values()) for hour in strip), default=0) or 1
    step = WIDTH / max(len(strip), 1)
    parts = []
    for number, hour in enumerate(strip):
        x, top, shapes = number * step, base, ""
        for tone, kind in KINDS:
            count = hour.counts.get(kind, 0)
            tall = (base - 4) * count / most
            if count:
                tall = max(tall, 2)
                top -= tall
                shapes += _rect(x + 1, max(top, 0), step - 2, tall, f"c-{tone}")
        shapes += _rect(x + 1, 0, step - 2, base, "room")
        parts.append(_link(hour.link, hour.text, shapes))
    scale = f'<div class="scale" aria-hidden="true"><span>{most:,}</span><span>0</span></div>'
    below = "".join(f"<span>{escape(mark)}</span>" for mark in marks)
    drawn = _svg(STRIP_HEIGHT, title, parts, stretched=True)
    return Markup(f'<div class="strip">{scale}{drawn}<div class="ends">{below}</div></div>')  # noqa: S704  # nosec B704


def lanes(found: Sequence[Lane], marks: Sequence[tuple[float, str]], title: str) -> Markup:
    """A lane a job with its dues; `marks` are times that are named, as parts of the whole, such as full hours."""
    begin, high = 190, 22
    height = high * len(found) + 26
    parts = []
    for part, name in marks:
        x = begin + (WIDTH - begin - 8) * part
        parts.append(f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 20}"/>')
        parts.append(_text(x, height - 6, name, "start" if part < 0.03 else "end" if part > 0.97 else "middle"))
    for number, lane in enumerate(found):
        y = number * high
        name = lane.name if len(lane.name) <= 26 else f"{lane.name[:25]}…"
        parts.append(f'<a href="{escape(lane.link)}">{_text(4, y + 15, name)}</a>')
        for part, text in lane.dues:
            x = begin + (WIDTH - begin - 8) * part
            parts.append(f"<g><title>{escape(text)}</title>{_rect(x - 2, y + 5, 4, 12, 'c-run')}</g>")
    return _svg(height, title, parts)


def _svg(height: int, title: str, parts: Sequence[str], *, stretched: bool = False) -> Markup:
    fits = ' preserveAspectRatio="none"' if stretched else ""
    named = f'<svg class="chart" role="group" aria-label="{escape(title)}" viewBox="0 0 {WIDTH} {height}"{fits}>'
    return Markup(f"{named}{''.join(parts)}</svg>")  # noqa: S704  # nosec B704


def _link(link: str, text: str, shapes: str) -> str:
    said = escape(text)
    return f'<a href="{escape(link)}" aria-label="{said}"><title>{said}</title>{shapes}</a>'


def _rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _line(y: float) -> str:
    return f'<line class="line" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
