"""What the parts of a node ask of the reactor. A part that needs one of Twisted's interfaces names that one: a clock is
an `IReactorTime`, and so is the time that nodes share. Here are the sets of several that parts need at once.

They are protocols of our own made of Twisted's interfaces, not classes of `typing.Protocol`: the functions of Twisted
to which a reactor is handed on ask for their interfaces by name.
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


class Connector(TimeAndThreads, IReactorTCP):
    """That, and connections to others."""


class Reactor(
    Connector, IReactorCore, IReactorThreads, IReactorFDSet, IReactorProcess, IReactorSSL, IReactorUNIX
):  # fmt: skip
    """All that a daemon needs: any reactor of a Unix system has it."""
