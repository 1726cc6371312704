"""Threads, separate for each kind of work, so that no work waits behind another kind. Work that callers order passes
a bulkhead: a fixed number of orders runs at once, a fixed number waits, and any more are refused.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from .model.errors import Busy, JobschedError, Unavailable

P = ParamSpec("P")
T = TypeVar("T")
Wanted = Callable[[], None]  # raises Unavailable once the result of the work is not wanted any more

OVER = "this daemon is about to end"
WAITING = 32  # orders that may wait for the thread
ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h
SWITCH = 0.001  # seconds after which a computing thread gives Python's lock to a waiting one; Python's default: 0.005


class InThread(Protocol):
    """Calls a function in some thread; the result is its result."""

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Call `function` with these arguments."""


class Bulkhead:
    """Runs `most` pieces of work at once; up to `waiting` more pieces wait for their turn, in the order they came."""

    log = Logger()

    def __init__(self, most: int, waiting: int) -> None:
        self._most = most
        self._waiting = waiting
        self._under_way = 0
        self._queue: deque[_QueuedWork[Any]] = deque()
        self._moving = False
        self._closed: JobschedError | None = None
        self._empty: Deferred[None] = Deferred()

    def run(self, begin: Callable[[], Deferred[T]], drop: Callable[[], object] = lambda: None) -> Deferred[T]:
        """The result of `begin`, which is called when the work has its turn. Raises Busy; after `close`, its `why`.

        If the caller cancels before that turn, `begin` is never called. Work that is cancelled under way keeps its
        place until it is done; `drop` is called at the cancel, and may bring the end of the work nearer.
        """
        if self._closed is not None:
            raise self._closed
        if self._under_way >= self._most and len(self._queue) >= self._waiting:
            raise Busy(f"{self._waiting} requests of this kind wait for their turn already; ask again later")
        queued: _QueuedWork[T] = _QueuedWork(begin, drop, self._leave, self._give_up)
        self._queue.append(queued)
        self._go_on()
        return queued.answer

    def close(self, why: JobschedError) -> Deferred[None]:
        """Refuse waiting and new work; fires when no work is under way."""
        self._closed = why
        waiting, self._queue = self._queue, deque()
        for queued in waiting:
            queued.answer.errback(why)
        self._tell_empty()
        return self._empty

    def _give_up(self, queued: _QueuedWork[T]) -> None:
        if queued in self._queue:
            self._queue.remove(queued)
        else:
            queued.drop()

    def _go_on(self) -> None:
        if self._moving:  # work that is done at once would call this again, as deep as the queue is long
            return
        self._moving = True
        while self._queue and self._under_way < self._most:
            self._under_way += 1
            self._queue.popleft().take()
        self._moving = False

    def _leave(self, queued: _QueuedWork[T], result: T | Failure) -> None:
        self._under_way -= 1
        if isinstance(result, Failure) and result.check(JobschedError):
            result.cleanFailure()  # a refusal is no fault: where it was raised holds what was looked at
        if not queued.answer.called:
            queued.answer.callback(result)  # the result may be a Failure
        elif isinstance(result, Failure) and not result.check(JobschedError):
            self.log.failure("work failed whose caller had given it up", result)
        self._go_on()
        self._tell_empty()

    def _tell_empty(self) -> None:
        if self._closed is not None and not self._under_way and not self._empty.called:
            self._empty.callback(None)


class _QueuedWork(Generic[T]):
    """One piece of work, and the `answer` to its caller."""

    def __init__(
        self,
        begin: Callable[[], Deferred[T]],
        drop: Callable[[], object],
        leave: Callable[[_QueuedWork[T], T | Failure], None],
        give_up: Callable[[_QueuedWork[T]], None],
    ) -> None:
        self.answer: Deferred[T] = Deferred(lambda _: give_up(self))
        self._begin: Callable[[], Deferred[T]] | None = begin
        self._leave = leave
        self.drop = drop

    def take(self) -> None:
        """The work has its turn. It is not kept here meanwhile: this and the answer hold each other in a circle, and
        what the work looks at may be large."""
        begin, self._begin = self._begin, None
        assert begin is not None, "it has one turn"
        maybeDeferred(begin).addBoth(lambda result: self._leave(self, result))


def share_memory() -> None:
    """Have all threads take memory from one place. glibc makes one for each, up to eight for a processor, and what is
    free in one is not used by the others: the daemon grows with each busy moment. An operator's MALLOC_ARENA_MAX is
    left as it is. To be called before there are threads."""
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    from ctypes import CDLL  # executors do without

    try:
        mallopt = CDLL(None).mallopt
    except AttributeError:  # another C library, which has no such places
        return
    mallopt(ARENA_MAX, 1)


def waited_for(reactor: IReactorFromThreads, wait: Callable[[], object], name: str) -> Deferred[None]:
    """Call `wait`, which waits for threads or for a disk, in a thread of its own; fires when `wait` has returned.
    Meanwhile the reactor runs: the threads that end may need it, and systemd must hear that the daemon lives."""
    over: Deferred[None] = Deferred()

    def work() -> None:
        try:
            wait()
        except Exception:
            reactor.callFromThread(over.errback, Failure())
        else:
            reactor.callFromThread(over.callback, None)

    Thread(target=work, name=name, daemon=True).start()
    return over


class Pool(ThreadPool):
    """A ThreadPool whose threads are made when needed. Work that comes after its end fails: Twisted's would forget that
    work, and its caller would wait for ever."""

    def callInThreadWithCallback(
        self,
        onResult: Callable[[bool, Any], object] | None,  # hears a T or a Failure; Twisted leaves the Failure out
        func: Callable[P, T],
        *args: P.args,
        **kw: P.kwargs,
    ) -> None:
        if self.joined and onResult is not None:
            onResult(False, Failure(Unavailable(OVER)))
            return
        super().callInThreadWithCallback(onResult, func, *args, **kw)

    def refuse(self) -> None:
        """Take no more work. Work given before is still done."""
        self.joined = True

    def end(self, reactor: IReactorFromThreads, then: Callable[[], object] = lambda: None) -> Deferred[None]:
        """Take no more work; fires when all work is done and after it `then`, called off the reactor, has returned."""
        self.refuse()

        def wait() -> None:
            self.stop()
            then()

        return waited_for(reactor, wait, f"end of {self.name}")

    def leave(self, reactor: IReactorFromThreads) -> Deferred[None]:
        """Take no more work; fires when all threads have ended, or at once if some still work: these may never end."""
        if self.working:
            self.refuse()
            return succeed(None)
        return self.end(reactor)


class DaemonThread(Thread):
    """Does not keep the interpreter alive: work that never returns must not make the daemon immortal."""

    def start(self) -> None:
        self.daemon = True
        super().start()


class DaemonPool(Pool):
    """For work that may never return."""

    threadFactory = DaemonThread


class Threads(Service):
    """Up to `most` threads for chores of one kind, made when they are needed."""

    def __init__(self, reactor: IReactorFromThreads, name: str, most: int = 1) -> None:
        self.name = name
        self._reactor = reactor
        self._pool = DaemonPool(0, most, name)

    def startService(self) -> None:
        super().startService()
        self._pool.start()

    def stopService(self) -> Deferred[None]:
        """Work that hangs is left alone; work that comes from now on is refused."""
        super().stopService()
        return self._pool.leave(self._reactor)

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Call `function` in one of the threads; the result is its result."""
        return deferToThreadPool(self._reactor, self._pool, function, *args, **kwargs)


class CallerThread(Service):
    """The one thread for orders of callers that keep the processor busy. Python computes in one thread at a time, so
    with more threads the orders would be done no sooner.
    """

    name = "callers"

    def __init__(self, reactor: IReactorFromThreads, waiting: int = WAITING) -> None:
        self._bulkhead = Bulkhead(1, waiting)
        self._threads = Threads(reactor, "caller")
        self._ending = False
        self._switch = sys.getswitchinterval()

    def startService(self) -> None:
        """Make busy threads give up Python's lock sooner: the reactor needs the lock after each look at its sockets."""
        super().startService()
        self._switch = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)
        self._threads.startService()

    def stopService(self) -> Deferred[None]:
        """Waiting work is refused; fires when the work under way has ended: at its next call of `wanted`, or before."""
        super().stopService()
        self._ending = True
        sys.setswitchinterval(self._switch)
        closed = self._bulkhead.close(Unavailable(OVER))
        return closed.addCallback(lambda _: self._threads.stopService())

    def run(self, work: Callable[[Wanted], T]) -> Deferred[T]:
        """The result of `work(wanted)`. `work` calls `wanted` now and then, which raises Unavailable once the result is
        not wanted any more. Raises Busy."""
        dropped = Event()

        def wanted() -> None:
            if dropped.is_set() or self._ending:
                raise Unavailable("nobody waits for this any more, or this daemon is about to end")

        return self._bulkhead.run(lambda: self._threads.run(work, wanted), dropped.set)
