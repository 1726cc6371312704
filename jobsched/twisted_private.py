"""Every name of Twisted with an underscore in front that Jobsched uses, and why; and a public one that it replaces.

Such a name may go with any release. So the requirement is `Twisted<27` until a newer release was looked at, and
`tests/unit/test_twisted_private.py` fails for a name that Twisted has no more, and for a name used but not listed here.
"""

from __future__ import annotations

from types import FunctionType

import attrs

PROCESS = "twisted.internet.process.Process"
CHANNEL = "twisted.web.http.HTTPChannel"


@attrs.frozen
class PrivateName:
    """The `name`, the class `of` Twisted that has the name, the module of ours it is `used_in`, and `why`."""

    of: str
    name: str
    used_in: str
    why: str


# We could do without this name if `IReactorProcess.spawnProcess` had one more argument, and another took a new value:
# `spawnProcess(..., childFDs={0: "w", 1: "r", 2: SameAs(1)}, startNewSession=True)`.
# - `startNewSession`, named after `subprocess.Popen(start_new_session=...)`: `posix_spawn(setsid=True)` where that is
#   used, and `os.setsid()` in `_setupChild` after a fork.
# - In `childFDs` an integer is a descriptor of the parent's. "The same as descriptor 1 of the child", one more
#   POSIX_SPAWN_DUP2 or `os.dup2`, needs a value of its own. Without that value, stdout and stderr cannot be read in the
#   order in which they were written.
SPAWN = PrivateName(
    PROCESS,
    "_trySpawnInsteadOfFork",
    "jobsched.runner.session",
    "replaced: it calls posix_spawn, which it does not ask for a session, nor for stderr on the pipe of stdout",
)

# We could do without this name if a reactor could be told what its timers count: `install(seconds=...)`. The name is
# public, but Twisted does not promise that another function may take its place; every reactor of Twisted calls
# `self.seconds`. Code that asks the reactor for the time of day gets elapsed seconds. In Twisted's HTTP server only the
# access log does so, which is not written here (`http.site`); the `Date` header comes from `time.time`.
SECONDS = PrivateName(
    "twisted.internet.base.ReactorBase",
    "seconds",
    "jobsched.clock",
    "replaced: it is the wall clock, so timers would go off early or late when somebody sets that",
)

NAMES = (
    SPAWN,
    *(
        PrivateName(CHANNEL, name, "jobsched.http.connection", why)
        for name, why in {
            "_maybeChooseTransferDecoder": "extended: refuses lengths of a body that a proxy could take for others",
            "_failChooseTransferDecoder": "called: how Twisted itself refuses such a length",
            "_respondToBadRequestAndDisconnect": "replaced: answers a problem in JSON instead of a bare 400",
            "_log": "replaced: goes nowhere, for Twisted's would tell of each client that says nothing",
            "_version": "read: chunks are for HTTP/1.1 alone",
            "_command": "read: whether the call takes a large body, before that comes",
            "_path": "read: the same",
            "_buffer": "read: whether a part of a request has come, for the deadline until its last byte",
            "_busyReceiving": "read: in the middle of what has come nothing is to be concluded from the rest",
            "_handlingRequest": "read: while a request is answered, what comes is the next one's",
            "_receivedHeaderCount": "read: which limit a request broke that is refused",
            "_receivedHeaderSize": "read: the same, and whether its first line is complete",
            "_networkProducer": "called: holds the socket back while requests that came together wait for their turn",
            "_waitingForTransport": "read: the next request waits until the client has taken the last answer",
        }.items()
    ),
)


def is_used(kind: type, name: str) -> bool:
    """Whether a class of Twisted has a method of that name and calls the method: then we can replace it."""
    functions = [each for base in kind.__mro__ for each in vars(base).values() if isinstance(each, FunctionType)]
    return hasattr(kind, name) and any(name in function.__code__.co_names for function in functions)
