"""/badge: the state of a job as a small picture, for wikis and other pages of people."""

from __future__ import annotations

from typing import Final
from unicodedata import east_asian_width

from markupsafe import escape
from twisted.web.http import Request

from ..http.route import Route, caller, whole
from ..model.job import JobView
from ..registry.registry import Registry

SVG: Final = "image/svg+xml"
CHAR: Final = 7  # pixels of a narrow character
STATE: Final = 84  # pixels of the state, whichever it is: the size of the picture tells nobody what it says
MOST: Final = 40  # characters of a name
GOOD, BAD, RUNS, PAUSED, DULL = "#116329", "#b3121d", "#0a4fa8", "#7d4e00", "#57606a"  # all under white: 4.5:1
COLOURS: Final = {
    "succeeded": GOOD, "failed": BAD, "timed_out": BAD, "lost": BAD, "missed": BAD, "overdue": BAD, "running": RUNS,
    "stopping": RUNS, "paused": PAUSED,
}  # fmt: skip


class Badges:
    """The call for it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/badge/<job_id>.svg", self.show, "The state of a job as a picture", gives={200: SVG},
                      refuses=(404,))]  # fmt: skip

    async def show(self, request: Request, job_id: str) -> bytes:
        """200: the name and the state, in words and colour. It may stand in a page of another site."""
        return await picture(request, self._registry.seen_by(caller(request)), job_id)


async def picture(request: Request, registry: Registry, job_id: str) -> bytes:
    """200: the badge of a job."""
    news = await registry.job(job_id)
    request.setHeader(b"cross-origin-resource-policy", b"cross-origin")
    return whole(request, SVG.encode(), badge(news.job.name, state(news)).encode())


def state(news: JobView) -> str:
    """What matters most of a job; of one that only waits for its next due, what became of the last."""
    recent = news.activity.recent
    return recent[0].state if news.state == "scheduled" and recent else news.state


def badge(name: str, state: str) -> str:
    """The picture. It has no style and no script, and so needs nothing of the page around it."""
    label, word = shortened(name), state.replace("_", " ")
    left = width(label) + 12
    whole_width = left + STATE
    said = escape(f"{label}: {word}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole_width}" height="20" role="img" aria-label="{said}">'
        f"<title>{said}</title>"
        f'<rect width="{whole_width}" height="20" rx="3" fill="#353c45"/>'
        f'<rect x="{left}" width="{STATE}" height="20" rx="3" fill="{COLOURS.get(state, DULL)}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2:g}" y="14" textLength="{width(label)}" lengthAdjust="spacingAndGlyphs">'
        f"{escape(label)}</text>"
        f'<text x="{left + STATE / 2:g}" y="14">{word}</text></g></svg>\n'
    )


def shortened(name: str) -> str:
    """As much of a name as has room."""
    return name if len(name) <= MOST else f"{name[: MOST - 1]}…"


def width(text: str) -> int:
    """Pixels of a name, which is drawn as wide as that whatever the font."""
    return sum(CHAR * (2 if east_asian_width(char) in "WF" else 1) for char in text)
