"""GET /jobs as requests that can be sent again: in JSON, or as the text of a format that keeps jobs in files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import attrs
import msgspec
from msgspec import UnsetType
from twisted.web.http import Request

from .. import formats
from ..formats.kinds import Written
from ..http import to_json
from ..http.conditions import accepts
from ..http.from_json import Defaults
from ..http.jsontext import encoded
from ..http.pages import Pages
from ..http.schemas import jobs as wire
from ..http.schemas import queries
from ..model.errors import Invalid
from ..model.job import JobFilter, JobView
from ..model.job_list import JobOrder
from ..model.page import Page
from ..registry.registry import Registry

AS_REQUEST: Final = b"application/vnd.jobsched.jobs+json"
TEXTS: Final = {kind: media_type for kind, media_type in formats.MEDIA_TYPES.items() if kind != "json"}
ALSO: Final[dict[str, type]] = {AS_REQUEST.decode(): wire.JobRequests} | dict.fromkeys(TEXTS.values(), str)
AT_A_TIME: Final = 200  # jobs that are read for a text, before others have their turn
MORE: Final = "# There is more: the header Link of the answer leads on.\n"  # a comment in each of the texts

Ask = Callable[[int, str, JobFilter, int], Awaitable[Page[JobView]]]  # as Registry.jobs


def format_asked(request: Request, asked: queries.JobPage) -> Written | None:
    """The format of requests that is asked for, by the query or by Accept; None: jobs are to be shown."""
    if not isinstance(asked.format, UnsetType):
        return asked.format
    if asked.as_ == "request" or accepts(request, AS_REQUEST):
        return "json"
    return next((kind for kind, media_type in TEXTS.items() if accepts(request, media_type.encode())), None)


class Exports:
    """Answers with jobs as requests."""

    def __init__(self, defaults: Defaults, pages: Pages) -> None:
        self._defaults = defaults
        self._pages = pages

    async def answer(
        self, request: Request, kind: Written, asked: queries.JobPage, only: JobFilter, registry: Registry
    ) -> bytes:
        """200: a page of requests, or all of them as one text. Raises Unsayable for jobs that the format cannot say."""
        for name in ("sort", "fields"):
            if not isinstance(getattr(asked, name), UnsetType):
                raise Invalid("does not go with requests, which come whole and by id", f"?{name}")
        only = attrs.evolve(only, order=JobOrder(sort="id"), activity=False)
        if kind == "json":
            is_whole = only == JobFilter(labels=only.labels, order=only.order, activity=False)  # a set: see PUT /jobs

            async def found(room: int) -> Page[JobView]:
                if is_whole:
                    tag = await registry.set_tag(only.labels, self._defaults.seed)  # first: never newer than the jobs
                    request.setHeader(b"etag", b'"%s"' % tag.encode())
                return await registry.jobs(asked.limit, asked.after, only, room)

            return await self._page(request, asked, found)
        most = asked.limit if b"limit" in (request.args or {}) else None

        async def made(room: int) -> tuple[bytes, str | None]:
            jobs, withheld, last = await self._requests(asked.after, most, partial(_ask, registry.jobs, only), room)
            text = await registry.in_thread(lambda wanted: formats.write(kind, jobs, withheld, wanted))
            return (text if last is None else text + MORE).encode(), last

        content_type = f"{TEXTS[kind]}{'; charset=utf-8' if TEXTS[kind].startswith('text/') else ''}"
        return await self._pages.text(request, asked.limit, made, content_type.encode())

    async def _page(
        self, request: Request, asked: queries.JobPage, jobs: Callable[[int], Awaitable[Page[JobView]]]
    ) -> bytes:
        secret: list[wire.Withheld] = []

        def out(news: JobView) -> dict[str, object]:
            secret.append(wire.Withheld(id=news.job.id, pointers=to_json.withheld(news.job, self._defaults.redaction)))
            return self._request(news)

        def more(count: int) -> bytes:
            return b',"withheld":' + encoded([each for each in secret[:count] if each.pointers])

        return await self._pages.answer(request, asked.limit, jobs, out, lambda news: news.place, AS_REQUEST, more)

    async def _requests(
        self, after: str, most: int | None, ask: Callable[[int, str, int], Awaitable[Page[JobView]]], room: int
    ) -> tuple[list[dict[str, object]], dict[str, Sequence[str]], str | None]:
        """The requests of up to `most` jobs behind the place `after` that have `room`, what is withheld in them, and
        behind which place there are more; None: nowhere.

        The jobs themselves are not kept: of nine thousand, Python would look for circles among 125,000 objects, with
        the reactor kept waiting for 90 ms.
        """
        found, withheld = list[dict[str, Any]](), dict[str, Sequence[str]]()
        more = True
        while more and (most is None or len(found) < most):
            page = await ask(AT_A_TIME if most is None else min(AT_A_TIME, most - len(found)), after, room)
            more = page.more
            for news in page.values:
                request = msgspec.to_builtins(self._request(news))
                room -= len(encoded(request))
                if found and room < 0:
                    return found, withheld, after
                found.append(request)
                if secret := to_json.withheld(news.job, self._defaults.redaction):
                    withheld[news.job.id] = secret
                after = news.place
        return found, withheld, after if more else None

    def _request(self, news: JobView) -> dict[str, object]:
        defaults = self._defaults
        return to_json.request_out(news.job, defaults.policy, defaults.timezone, defaults.redaction)


def _ask(jobs: Ask, only: JobFilter, limit: int, after: str, room: int) -> Awaitable[Page[JobView]]:
    return jobs(limit, after, only, max(room, 1))
