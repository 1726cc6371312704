"""Threads that come to their end without anybody waiting for them in the reactor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from .model.errors import Unavailable

OVER = "this daemon is about to end"


def waited_for(reactor: IReactorFromThreads, wait: Callable[[], object], name: str) -> Deferred[None]:
    """Call what waits for threads, or for a disk, in a thread of its own; fires when it has returned. The reactor goes
    on meanwhile: what is to be joined may need it, and systemd is to be told that the daemon lives."""
    over: Deferred[None] = Deferred()

    def work() -> None:
        try:
            wait()
        except Exception:
            reactor.callFromThread(over.errback, Failure())
        else:
            reactor.callFromThread(over.callback, None)

    threading.Thread(target=work, name=name, daemon=True).start()
    return over


class Pool(ThreadPool):
    """Up to so many threads of one name, made when they are needed. What comes after its end fails: a ThreadPool would
    forget it, and whoever asked would wait for ever."""

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], object] | None, func: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        if self.joined and onResult is not None:
            onResult(False, Failure(Unavailable(OVER)))
            return
        super().callInThreadWithCallback(onResult, func, *args, **kw)

    def refuse(self) -> None:
        """Take nothing more. What was given is done still."""
        self.joined = True

    def end(self, reactor: IReactorFromThreads, then: Callable[[], object] = lambda: None) -> Deferred[None]:
        """Take nothing more; fires when all that was given is done, and `then` is, which is called off the reactor."""
        self.refuse()

        def wait() -> None:
            self.stop()
            then()

        return waited_for(reactor, wait, f"end of {self.name}")

    def leave(self, reactor: IReactorFromThreads) -> Deferred[None]:
        """Take nothing more; fires when all threads have ended, or at once where some work: they may never return."""
        if self.working:
            self.refuse()
            return succeed(None)
        return self.end(reactor)
