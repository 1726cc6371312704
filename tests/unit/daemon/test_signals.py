"""Signals to the daemon: one that comes while it ends already is heard too, if it says more."""

from __future__ import annotations

import signal
from collections.abc import Callable

from jobsched.daemon.signals import OnStop, Signals


class Reactor:
    """What is to be called from a thread is called at once."""

    stopped = 0

    def callFromThread(self, function: Callable[..., object], *args: object) -> None:
        function(*args)

    def stop(self) -> None:
        self.stopped += 1


def test_runs_are_ended_also_by_a_later_signal() -> None:
    reactor, on_stop = Reactor(), OnStop(leaves_runs=True)
    signals = Signals(reactor, None, on_stop)  # type: ignore[arg-type]  # what is needed here
    signals._end(signal.SIGTERM, None)
    assert on_stop.leaves()
    signals._end(signal.SIGUSR1, None)
    assert (on_stop.leaves(), reactor.stopped) == (False, 1)
