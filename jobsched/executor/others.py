"""What the other executors of a node run: if one of them is dead, and so is the daemon, it is ended here.

Others take the node for dead soon after the fence is over, and start those runs again. A daemon that lives ends what a
dead executor ran at once; where both were killed, whichever executor is still there does it in time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import structs
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..reactor_types import TimeAndThreads
from ..runner import procfs
from ..runner.recovery import Orphans, end_marked
from ..threads import waited_for
from .frames import Lasting, Other
from .journal import ENDED, FOLDER, lives, outcomes

GRACE = 1.0  # seconds from TERM to KILL: as many as a run has whose own executor ends it then
AGAIN = 1.0  # seconds between looks at those that live: one may be killed before it has ended its runs

log = Logger()


class Others:
    """`over` says whether the fence is; `changed` is called when nothing is to be ended here any more."""

    def __init__(
        self, reactor: TimeAndThreads, state: Path, over: Callable[[], bool], changed: Callable[[], object]
    ) -> None:
        self._reactor = reactor
        self._state = state
        self._over = over
        self._changed = changed
        self._all: Sequence[Other] = ()
        self._told = False  # by the daemon that is there
        self._left: Sequence[Other] = ()  # to be looked at
        self._looking = False

    @property
    def wanted(self) -> bool:
        """Whether there are such runs, which may have to be ended here."""
        return bool(self._all) and not self._over()

    def meet(self) -> None:
        """A daemon comes. What the one before it has told is true until this one tells something."""
        self._told = False

    def know(self, others: Sequence[Other] | None) -> None:
        """These are all of them now; None: as this daemon has told. One of an earlier release tells nothing, and then
        what is known here would only get old."""
        if others is not None or not self._told:
            self._all, self._told = others or (), True

    def end(self) -> None:
        """The fence is over: end what dead executors have left of them."""
        self._left = self._all
        if self._left and not self._looking:
            self._looking = True
            self._look()

    def _look(self) -> None:
        """In a thread of its own, for the other one is to look after the runs of this executor; and in none that stays,
        see `ControlGroup.inside`."""
        if not self._over():  # a daemon is back
            self._looking = False
            return
        found: dict[str, Orphans] = {}
        left, self._left = self._left, ()
        alive: list[Other] = []
        ended = waited_for(self._reactor, lambda: alive.extend(end_left(self._state, left, found)), "end of others")
        ended.addCallbacks(lambda _: self._tell(found), self._failed)
        ended.addBoth(lambda _: self._looked(alive))

    def _looked(self, alive: Sequence[Other]) -> None:
        self._left = self._left or alive
        self._looking = bool(self._left) and self._over()
        if self._looking:
            self._reactor.callLater(AGAIN, self._look)
        self._changed()

    def _tell(self, found: dict[str, Orphans]) -> None:
        for run_id, orphans in found.items():
            if orphans.first:
                words = "run {run} of another executor, which is dead, as is its daemon: {found}"
                log.warn(words, run=run_id, found=orphans.words())

    def _failed(self, why: Failure) -> None:
        log.failure("the runs of other executors of this node could not be ended", why)


def end_left(state: Path, others: Sequence[Other], found: dict[str, Orphans]) -> list[Other]:
    """End what executors that are dead have left of these runs, and put into `found` what that was; those that live,
    with what they have not ended. What a run that has ended left behind was let go, and stays. In a thread."""
    folder = state / FOLDER
    left: list[Lasting] = []
    alive: list[Other] = []
    for other in others:
        with log.failuresHandled("the runs of other executors of this node could not be ended"):
            # first: what ends afterwards is in its file
            is_there = lives(folder, other.name) and not procfs.is_gone(other.pid)
            ended = {each.run_id for each in outcomes(folder, other.name + ENDED)}
            runs = [run for run in other.runs if run.id not in ended]
            if not is_there:
                left += runs
            elif runs:
                alive.append(structs.replace(other, runs=runs))
    if left:
        found |= end_marked(left, GRACE, str(state.resolve()))
    return alive
