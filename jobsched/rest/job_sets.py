"""PUT /jobs: a whole set of jobs."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO

import msgspec
from msgspec import UnsetType
from twisted.web.http import Request

from ..formats import Note
from ..http import conditions, from_json
from ..http.from_json import Defaults, given
from ..http.jsontext import encoded
from ..http.pages import Pages
from ..http.route import Route, caller, query, raw
from ..http.schemas import job_sets as wire
from ..http.schemas.jobs import JobIn
from ..model.draft import Draft
from ..model.errors import Busy, Invalid, within
from ..model.ids import check_job_id
from ..model.job import Job
from ..model.job_set import OFTEN, SetDone, Wanted, let_go, once_each
from ..model.labels import Label
from ..model.set_rules import SetFaults, labelled
from ..registry.job_sets import JobSet
from ..registry.registry import Registry
from .set_readers import TEXTS, GoOn, Reader, reader_for

_Read = tuple[list[Wanted], Sequence[Note]]

LARGEST = 32 * 1024 * 1024  # bytes of a body
NEVER = 1_000_000  # looks at the young, before one at all objects


class JobSets:
    """The call on a whole set of jobs."""

    def __init__(self, registry: Registry, defaults: Defaults, pages: Pages) -> None:
        self._registry = registry
        self._defaults = defaults
        self._pages = pages
        self._under_way = False

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("PUT", "/jobs", self.put, "Make a whole set of jobs what it is to be", takes=wire.SetIn,
                  asks=wire.SetQuery, gives={200: wire.SetOut}, refuses=(400, 409, 412, 413), large=LARGEST,
                  texts=TEXTS, anew=False),
        ]  # fmt: skip

    async def put(self, request: Request) -> bytes:
        """200: what became of each job, or would."""
        asked = query(request, wire.SetQuery)
        scope = None if isinstance(asked.scope, UnsetType) else Label.asked(asked.scope, "?scope")
        if asked.prune and scope is None:
            raise Invalid("needs a scope: only jobs that have its label are deleted", "?prune")
        tags = conditions.tags(request)
        registry = self._registry.seen_by(caller(request))
        reader = reader_for((request.getHeader(b"content-type") or b"").decode("latin-1"), registry.known_tasks)
        with self._turn():
            read = self._read(registry, raw(request), reader, scope)
            text, tag = await self._done(registry, read, asked, scope, tags)
        request.setHeader(b"etag", b'"%s"' % tag.encode())
        return await self._pages.sent(request, text)

    async def _done(
        self, registry: Registry, read: Awaitable[_Read], asked: wire.SetQuery, scope: Label | None,
        tags: frozenset[str] | None,
    ) -> tuple[BytesIO, str]:  # fmt: skip
        """The answer and its tag. The set itself is gone when this returns, before Python looks for circles in all."""
        wanted, notes = await read
        jobs = JobSet(wanted=wanted, scope=scope, prune=asked.prune, seed=self._defaults.seed)
        done = await (registry.plan_set(jobs, tags) if asked.plan else registry.put_set(jobs, tags))
        places = {each.job_id: each.pointer for each in wanted}
        text, tag = await registry.surely(partial(_text, done, notes, places)), done.tag
        await registry.surely(lambda _: let_go(jobs.wanted, done.parts, done.entries))
        return text, tag

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One set at a time: each takes much memory, and the time of the one thread for callers. Raises Busy.

        Meanwhile Python looks for circles of objects among the young alone: among the million of a large set it would
        look for 0.1 to 0.2 seconds, with the reactor kept waiting, and there are none. Not to look at all keeps it
        waiting afterwards, for the circles that other requests and runs have left by then.
        """
        if self._under_way:
            raise Busy("another set of jobs is being put; ask again later")
        self._under_way, usual = True, gc.get_threshold()
        gc.set_threshold(*usual[:2], NEVER)
        try:
            yield
        finally:
            self._under_way = False
            gc.set_threshold(*usual)

    async def _read(self, registry: Registry, data: bytes, reader: Reader, scope: Label | None) -> _Read:
        def read(go_on: GoOn) -> _Read:
            faults, wanted = SetFaults(), list[Wanted]()
            entries, notes = reader(data, go_on)
            for pointer, job in entries:
                with faults.noting():
                    wanted.append(self._one(registry, pointer, job, scope))
            faults.check()
            once_each(wanted)
            return wanted, notes

        return await registry.in_thread(read)

    def _one(self, registry: Registry, pointer: str, asked: JobIn, scope: Label | None) -> Wanted:
        job_id = given(asked.id, "")
        check_job_id(job_id, within(pointer, "/id"))
        labels = labelled(scope, asked.labels, within(pointer, "/labels"))
        if labels != asked.labels:
            asked = msgspec.structs.replace(asked, labels=labels)

        def redraft(job: Job | None) -> Draft:
            return from_json.replaced(job, asked, self._defaults)

        return registry.wanted(job_id, pointer, redraft)


def _text(done: SetDone, notes: Sequence[Note], places: Mapping[str, str], go_on: GoOn) -> BytesIO:
    """The answer, written part by part."""
    head, _, tail = encoded(wire.head_out(done, notes)).rpartition(b"]")
    text = BytesIO()
    text.write(head)
    for number, part in enumerate(done.parts):
        if number % OFTEN == 0:
            go_on()
        text.write((b"," if number else b"") + encoded(wire.part_out(part, places.get(part.job_id))))
    text.write(b"]" + tail)
    return text
