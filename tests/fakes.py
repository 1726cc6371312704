"""Fakes of the edges: time that stands still, threads that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

OnResult = Callable[[bool, Any], None]


class StillReactor(Clock):
    """A `WallClock` and its reactor in one: it shows `instant` at first (seconds since 1970), its timers count elapsed
    time, and it takes calls from threads at once."""

    def __init__(self, instant: float = 0.0) -> None:
        super().__init__()
        self.rightNow = instant

    def callFromThread(self, function: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)

    def walk(self, seconds: float) -> None:
        """Advance from one timer to the next, so that each is called at its own time."""
        end = self.rightNow + seconds
        while self.calls and self.calls[0].getTime() <= end:
            self.advance(max(self.calls[0].getTime() - self.rightNow, 0))
        self.advance(max(end - self.rightNow, 0))

    def step(self, seconds: float) -> None:
        """The wall clock is set on or back; timers go off when they would have."""
        self.rightNow += seconds
        for call in list(self.calls):
            call.delay(seconds)


class InlinePool:
    """Stands in for a thread pool: what it is given is done before the call returns."""

    def __init__(self, *_: Any) -> None:
        self.broken: Exception | None = None  # what every call fails with
        self.stopped = False

    def start(self) -> None: ...

    def stop(self) -> None:
        self.stopped = True

    def refuse(self) -> None: ...

    def end(self, _reactor: Any, then: Callable[[], object] = lambda: None) -> Deferred[None]:
        self.stop()
        then()
        return succeed(None)

    def callInThreadWithCallback(
        self, onResult: OnResult, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        try:
            if self.broken is not None:
                raise self.broken
            result = function(*args, **kwargs)
        except Exception:
            onResult(False, Failure())
        else:
            onResult(True, result)


class HeldPool(InlinePool):
    """A pool that is slow to answer: what it is given is done at once, its results come when `release` is called."""

    def __init__(self, *_: Any) -> None:
        super().__init__()
        self.holding = False
        self.held: list[tuple[OnResult, bool, Any]] = []
        self.answered = 0

    def callInThreadWithCallback(
        self, onResult: OnResult, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        def keep(success: bool, result: Any) -> None:
            if self.holding:
                self.held.append((onResult, success, result))
            else:
                self.answered += 1
                onResult(success, result)

        super().callInThreadWithCallback(keep, function, *args, **kwargs)

    def release(self) -> None:
        """Answer whatever was held, in order, and hold nothing more."""
        self.holding = False
        held, self.held = self.held, []
        for on_result, success, result in held:
            self.answered += 1
            on_result(success, result)
