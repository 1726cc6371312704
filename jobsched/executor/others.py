"""What the other executors of a node run: if one of them is dead, and so is the daemon, it is ended here.

Others take the node for dead soon after the fence is over, and start those runs again. A daemon that lives ends what a
dead executor ran at once; where both were killed, whichever executor is still there does it in time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..runner.recovery import Orphans, end_marked
from ..threads import InThread
from .journal import ENDED, FOLDER, lives, outcomes

GRACE = 1.0  # seconds from TERM to KILL: as many as a run has whose own executor ends it then


@attrs.frozen
class OfAnother:
    """A run that another executor began; which pid it has is not known here."""

    id: str
    pid: int | None = None
    pid_started: float | None = None


class Others:
    """`over` says whether the fence is; `changed` is called when nothing is to be ended here any more."""

    log = Logger()

    def __init__(
        self, in_thread: InThread, state: Path, over: Callable[[], bool], changed: Callable[[], object]
    ) -> None:
        self._in_thread = in_thread
        self._state = state
        self._over = over
        self._changed = changed
        self._runs: Mapping[str, Sequence[str]] = {}

    @property
    def wanted(self) -> bool:
        """Whether there are such runs, which may have to be ended here."""
        return bool(self._runs) and not self._over()

    def know(self, runs: Mapping[str, Sequence[str]]) -> None:
        """By the names of their executors, these are all of them now."""
        self._runs = runs

    def end(self) -> None:
        """The fence is over: end what dead executors have left of them."""
        if self._runs:
            ended = self._in_thread(end_left, self._state, self._runs)
            ended.addCallbacks(self._tell, self._failed).addBoth(lambda _: self._changed())

    def _tell(self, found: dict[str, Orphans]) -> None:
        for run_id, orphans in found.items():
            if orphans.first:
                words = "run {run} of another executor, which is dead, as is its daemon: {found}"
                self.log.warn(words, run=run_id, found=orphans.words())

    def _failed(self, why: Failure) -> None:
        self.log.failure("the runs of other executors of this node could not be ended", why)


def end_left(state: Path, runs: Mapping[str, Sequence[str]]) -> dict[str, Orphans]:
    """End what executors that are dead have left of these runs, and say what that was. What a run that has ended left
    behind was let go, and stays. In a thread."""
    folder = state / FOLDER
    left: list[OfAnother] = []
    for name, run_ids in runs.items():
        if not lives(folder, name):
            ended = {each.run_id for each in outcomes(folder, name + ENDED)}
            left += [OfAnother(run_id) for run_id in run_ids if run_id not in ended]
    return end_marked(left, GRACE, str(state.resolve())) if left else {}
