"""What the parts of a node ask of the reactor. A part that needs one of Twisted's interfaces names that interface: a
clock is an `IReactorTime`, and so is the clock that nodes share. Parts that need several interfaces name a class here.

These classes inherit from Twisted's interfaces and are not classes of `typing.Protocol`: Twisted's functions, to which
parts hand the reactor on, ask for Twisted's interfaces by name.
"""

from __future__ import annotations

from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorFromThreads,
    IReactorProcess,
    IReactorSSL,
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
    IReactorUNIX,
)


class TimeAndThreads(IReactorTime, IReactorFromThreads):
    """Timers, and a way back from other threads."""


class Spawner(IReactorProcess, IReactorFDSet, IReactorTime):
    """Child processes, descriptors, and timers."""


class WithTimers(IReactorTime, IReactorThreads):
    """Timers, and pools of threads."""


class Connector(TimeAndThreads, IReactorTCP):
    """Timers, a way back from other threads, and connections to other hosts."""


class Reactor(
    Connector, Spawner, WithTimers, IReactorCore, IReactorSSL, IReactorUNIX
):  # fmt: skip
    """All that a daemon needs; any reactor of a Unix system provides it."""
