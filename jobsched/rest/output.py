"""The output of a run, wherever it is: in a file here, on another node, or its end in the store."""

from __future__ import annotations

from contextlib import AbstractContextManager
from io import BytesIO
from urllib.parse import quote, urlencode

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.http import Request

from ..http import conditions, connection
from ..http.download import TEXT, follow, plain_text, send_file, send_tail, start_of_tail
from ..http.route import caller, whole
from ..model.errors import Busy, NotFound, Unavailable, Unreachable
from ..model.output_location import OutputLocation, no_answer, no_more
from ..model.run import Run, Tail
from ..registry.registry import Registry
from .relay import Relay, relayed

FOREVER = 1e9  # seconds
SOON = 0.05  # seconds until the first look whether a run has started somewhere
LOOK = 1.0  # seconds between later ones


class Outputs:
    """Answers with the output of runs."""

    log = Logger()

    def __init__(self, registry: Registry, relay: Relay, followers: int = connection.FOLLOWERS) -> None:
        self._registry = registry
        self._relay = relay
        self._followers = connection.ConnectionLimit(followers)

    def place(self) -> AbstractContextManager[None]:
        """A place among the clients that wait for a run's output or end. Raises Busy when all places are taken."""
        return self._followers.place()

    async def send(self, request: Request, run_id: str, lines: int | None) -> bytes:
        """200, 206 or 304: the output so far, or its last `lines` lines. Raises NotFound, Stale, Unreachable, Busy."""
        run = await self._registry.seen_by(caller(request)).run(run_id)
        where = await self._registry.output_location(run)
        if not where.here:
            return await self._fetched(request, run, where, lines, None)
        path = self._registry.output_path(run_id)
        if lines is None:
            return await send_file(request, path)
        if conditions.unchanged(request, None):
            return conditions.not_modified(request)
        return await send_tail(request, path, lines, self._registry)

    async def follow(self, request: Request, run_id: str, lines: int | None = None) -> bytes:
        """200: the output so far, and the rest until the run has ended. Raises NotFound, Stale, Unreachable, Busy."""
        run = await self._begun(request, run_id)
        if request.channel is None:  # the client has gone
            return b""
        where = await self._registry.output_location(run)
        if conditions.unchanged(request, None):
            return conditions.not_modified(request)
        over = Deferred.fromCoroutine(self._over(run_id))
        try:
            if where.here:
                return await follow(request, self._registry, over, run_id, lines)
            return await self._fetched(request, run, where, lines, over)
        finally:
            over.addErrback(lambda why: why.trap(CancelledError))
            over.cancel()

    async def followed(self, request: Request, run_id: str) -> bool:
        """Answer with the output of a run that this request has made. False if that fails for any reason: the run
        exists all the same, and the caller has to be told of it."""
        try:
            await self.follow(request, run_id)
        except CancelledError:
            raise
        except Exception as why:
            if request.startedWriting:
                raise
            self.log.warn("run {run} was made, but its output cannot be followed: {why}", run=run_id, why=str(why))
            return False
        return True

    async def _begun(self, request: Request, run_id: str) -> Run:
        """The run, once a node has started it: before that, it is not known which node will."""
        pause = SOON
        while True:
            run = await self._registry.seen_by(caller(request)).run(run_id)
            if not run.active or not self._registry.shared or run.node_id is not None or request.channel is None:
                return run
            await self._registry.moment(pause)
            pause = min(2 * pause, LOOK)

    async def _over(self, run_id: str) -> None:
        """Returns once the run has ended, or is no longer stored; goes on waiting while the store is unavailable."""
        while True:
            try:
                await self._registry.ended(run_id, FOREVER)
            except NotFound:
                return
            except (Unavailable, Busy):
                await self._registry.moment(LOOK)
            else:
                return

    async def _fetched(
        self, request: Request, run: Run, where: OutputLocation, lines: int | None, over: Deferred[None] | None
    ) -> bytes:
        """The answer of a node that has the output, or else the end that the store keeps."""
        if relayed(request):
            raise NotFound(f"the output of run {run.id} is not on this node")
        asked = ({"follow": 1} if over is not None else {}) | ({} if lines is None else {"tail": lines})
        path = f"/runs/{quote(run.id, safe='')}/output" + (f"?{urlencode(asked)}" if asked else "")
        lack, gone = where.lack, where.gone
        for url in where.urls:
            fate = await self._relay.forward(request, url.rstrip("/") + path, over)
            if fate == "answered":
                return b""
            if fate == "absent":
                lack, gone = no_more(run), True
            elif fate == "refused":
                lack = no_answer(run)
        return await self._kept(request, run.id, lines, OutputLocation(lack=lack, gone=gone))

    async def _kept(self, request: Request, run_id: str, lines: int | None, where: OutputLocation) -> bytes:
        """The end that the store keeps. Raises Unreachable if it keeps none, and another node may have the output."""
        run = await self._registry.run(run_id)  # it may have ended by now
        tail = None if run.active else await self._registry.tail(run_id)
        if conditions.unchanged(request, None):
            return conditions.not_modified(request)
        if tail is not None:
            return send_kept(request, tail, lines, where.lack)
        if where.gone:
            return whole(request, TEXT, b"")
        if run.active:
            raise Unreachable(f"{where.lack}; ask that node, or again when the run has ended: its end is stored then")
        raise Unreachable(f"{where.lack}, and the store has nothing of it; it can be read when that node is back")


def send_kept(request: Request, tail: Tail, lines: int | None, lack: str) -> bytes:
    """200: the stored end of an output. If more was asked for, a line before it says that it is only the end."""
    begin = 0 if lines is None else start_of_tail(BytesIO(tail.data), lines, len(tail.data), lambda: None)
    complete = tail.start == 0 or begin > 0
    data = tail.data[begin:]
    if not complete:
        said = f"[the last {len(data)} of {tail.size} bytes: {lack}]\n"
        data = said.encode("utf-8", "replace") + data
    plain_text(request)
    request.setHeader(b"jobsched-output", b"whole" if complete else b"tail")
    return whole(request, TEXT, data)
