"""How one viewer wants to see times and colours: kept in a cookie, which scripts may read."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

import attrs
from markupsafe import Markup, escape
from twisted.web.http import Request

from ..model.errors import BadTrigger
from ..model.times import utc_text
from ..model.zone import find
from . import words

COOKIE: Final = b"jobsched_view"
TIMES: Final = ("local", "job", "utc")
THEMES: Final = ("auto", "light", "dark")
UTC: Final = ZoneInfo("UTC")
PRINTED: Final = ", last line: "
_INSTANT: Final = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", re.ASCII)

Times = Literal["local", "job", "utc"]


@attrs.frozen(kw_only=True)
class View:
    """`times`: in whose zone; `zone`: the viewer's own; `theme`: whether light, dark or as the system has it."""

    now: datetime
    times: Times = "local"
    theme: str = "auto"
    zone: str = "UTC"
    known: bool = False  # whether the viewer's zone is, or the daemon's stands for it

    @classmethod
    def of(cls, request: Request, now: datetime, zone: str) -> View:
        """As the cookie says; `zone` is for a viewer whose zone is not known."""
        given = request.getCookie(COOKIE) or b""
        times, _, rest = given.decode("ascii", "replace").partition(".")
        theme, _, own = rest.partition(".")
        known = is_zone(own)
        return cls(
            now=now,
            times=cast(Times, times) if times in TIMES else "local",
            theme=theme if theme in THEMES else "auto",
            zone=own if known else zone,
            known=known,
        )

    @property
    def cookie(self) -> str:
        """What the cookie is to say."""
        return f"{self.times}.{self.theme}.{self.zone if self.known else ''}"

    def shown_in(self, job_zone: str | None = None) -> ZoneInfo:
        """The zone in which times are shown."""
        if self.times == "utc":
            return UTC
        return ZoneInfo(job_zone if self.times == "job" and job_zone else self.zone)

    def time(self, instant: datetime | None, job_zone: str | None = None, brief: bool = False) -> Markup:
        """A time: absolute, then relative. In the title the exact instant, and the job's own time where that differs;
        `brief`: only the absolute time."""
        if instant is None:
            return Markup("-")
        zone = self.shown_in(job_zone)
        exact, text = utc_text(instant), words.moment(instant, zone, self.now)
        title = f"{exact} · {text} {zone.key}"
        if job_zone and words.offset(instant, ZoneInfo(job_zone)) != words.offset(instant, zone):
            title += f" · {words.moment(instant, ZoneInfo(job_zone), self.now)} {job_zone}"
        shown = f'<time datetime="{exact}" title="{escape(title)}">{text}</time>'
        if not brief:
            shown += f' <span class="rel" data-at="{exact}">{words.relative(instant, self.now)}</span>'
        return Markup(shown)  # noqa: S704  # nosec B704

    def told(self, text: str, job_zone: str | None = None) -> Markup:
        """A reason, or what else the API says in words, with its instants in the zone that is shown; but for what a
        script has printed, which stays as it is."""
        ours, sign, printed = text.partition(PRINTED)
        parts, place = [], 0
        for found in _INSTANT.finditer(ours):
            parts += [escape(ours[place : found.start()]), self._instant(found[0], job_zone)]
            place = found.end()
        return Markup().join([*parts, escape(ours[place:]), escape(sign), escape(printed)])

    def _instant(self, text: str, job_zone: str | None) -> Markup:
        try:
            return self.time(datetime.fromisoformat(text), job_zone, brief=True)
        except (ValueError, OverflowError):
            return escape(text)

    def beside(self, instant: datetime | None, job_zone: str) -> str:
        """The job's own time, where it differs from the one that is shown; "" where not."""
        if instant is None:
            return ""
        zone = self.shown_in(job_zone)
        if words.offset(instant, ZoneInfo(job_zone)) == words.offset(instant, zone):
            return ""
        return f"{words.moment(instant, ZoneInfo(job_zone), self.now)} {job_zone}"


def is_zone(text: str) -> bool:
    """Whether it names a zone."""
    try:
        find(text)
    except BadTrigger:
        return False
    return True
