"""Which processes of a run live. One look through all processes serves every run that asked before the look began."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ..threads import InThread
from .control_group import ControlGroups
from .group_tree import Tree
from .procfs import Found, sessions, survey

SHARE = 10  # of the time, one part in so many may go into looks at the sessions


class ProcessSurvey:
    """Shared by all runs of this node."""

    def __init__(self, in_thread: InThread, elapsed: Callable[[], float], tree: Tree | None = None) -> None:
        self.groups = ControlGroups(tree)
        self._in_thread = in_thread
        self._elapsed = elapsed
        self._asked: list[tuple[str, int, Deferred[list[Found]]]] = []
        self._looking = False
        self._sessions: frozenset[int] = frozenset()
        self._seen = float("-inf")  # elapsed time before the last look at the sessions
        self._rest = float("-inf")  # and until when there is no other

    def of(self, run_id: str, leader: int) -> Deferred[list[Found]]:
        """What lives of a run, whose first process had the pid `leader`; 0: go by the mark alone."""
        answer: Deferred[list[Found]] = Deferred()
        self._asked.append((run_id, leader, answer))
        self._begin()
        return answer

    def session_is_empty(self, session: int, since: float) -> bool | None:
        """Whether no process was in a session at some moment after `since`; None: to be asked again soon.

        An empty session stays so: only a member could bring another. A look takes as long as there are processes, and
        is made in the reactor: so there is one for all that ask, and a pause before the next.
        """
        if self._seen < since:
            begun = self._elapsed()
            if begun < self._rest:
                return None
            self._sessions, self._seen = sessions(), begun
            ended = self._elapsed()
            self._rest = ended + (ended - begun) * (SHARE - 1)
        return session not in self._sessions

    def _begin(self) -> None:
        if self._looking or not self._asked:
            return
        self._looking = True
        asked, self._asked = self._asked, []
        looked = self._in_thread(survey, {run_id: leader for run_id, leader, _ in asked})
        looked.addCallbacks(self._tell, self._fail, callbackArgs=(asked,), errbackArgs=(asked,))

    def _tell(self, found: dict[str, list[Found]], asked: list[tuple[str, int, Deferred[list[Found]]]]) -> None:
        self._looking = False
        for run_id, _, answer in asked:
            answer.callback(found[run_id])
        self._begin()

    def _fail(self, why: Failure, asked: list[tuple[str, int, Deferred[list[Found]]]]) -> None:
        self._looking = False
        for _, _, answer in asked:
            answer.errback(why)
        self._begin()
