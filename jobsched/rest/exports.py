"""GET /jobs as requests that can be sent again: in JSON, or as the text of a format that keeps jobs in files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec import UnsetType
from twisted.web.http import Request

from .. import formats
from ..formats.kinds import Written
from ..model.errors import Invalid
from ..model.job import JobView
from ..model.page import Page
from . import to_json
from .conditions import accepts
from .from_json import Defaults
from .jsontext import encoded
from .pages import Pages
from .schemas import jobs as wire
from .schemas import queries

AS_REQUEST: Final = b"application/vnd.jobsched.jobs+json"
TEXTS: Final = {kind: media_type for kind, media_type in formats.MEDIA_TYPES.items() if kind != "json"}
ALSO: Final[dict[str, type]] = {AS_REQUEST.decode(): wire.JobRequests} | dict.fromkeys(TEXTS.values(), str)


def format_asked(request: Request, asked: queries.JobPage) -> Written | None:
    """The format of requests that is asked for, by the query or by Accept; None: jobs are to be shown."""
    if not isinstance(asked.format, UnsetType):
        return asked.format
    if asked.as_ == "request" or accepts(request, AS_REQUEST):
        return "json"
    return next((kind for kind, media_type in TEXTS.items() if accepts(request, media_type.encode())), None)


def check(asked: queries.JobPage) -> None:
    """Raises Invalid for what does not go with requests."""
    for name in ("sort", "fields"):
        if not isinstance(getattr(asked, name), UnsetType):
            raise Invalid("does not go with requests, which come whole and by id", f"?{name}")


async def answer(
    request: Request, kind: Written, limit: int, jobs: Callable[[int], Awaitable[Page[JobView]]], pages: Pages,
    defaults: Defaults,
) -> bytes:  # fmt: skip
    """200: a page of requests. Raises Unsayable for jobs that the format cannot say whole."""
    secret: list[wire.Withheld] = []
    policy, zone, redaction = defaults.policy, defaults.timezone, defaults.redaction

    def out(news: JobView) -> dict[str, object]:
        secret.append(wire.Withheld(id=news.job.id, pointers=to_json.withheld(news.job, redaction)))
        return to_json.request_out(news.job, policy, zone, redaction)

    def more(count: int) -> bytes:
        return b',"withheld":' + encoded([each for each in secret[:count] if each.pointers])

    def text(found: list[object]) -> bytes:
        withheld = {each.id: each.pointers for each in secret[: len(found)]}
        return formats.write(kind, msgspec.to_builtins(found), withheld).encode()

    if kind == "json":
        return await pages.answer(request, limit, jobs, out, lambda news: news.place, AS_REQUEST, more)
    content_type = f"{TEXTS[kind]}{'; charset=utf-8' if TEXTS[kind].startswith('text/') else ''}".encode()
    return await pages.answer(request, limit, jobs, out, lambda news: news.place, content_type, shape=text)
