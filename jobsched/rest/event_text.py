"""Server-sent events: changes as text, encoded once for all clients that follow the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from ..feed import Told
from ..http.jsontext import encoded
from ..http.schemas.holds import hold_out
from ..http.schemas.notifications import Gone, HoldGone
from ..http.to_json import run_out
from ..model.change import ChangeFilter
from ..model.hold import Hold
from ..model.job import JobView
from ..model.node import Node
from ..model.run import Run
from .nodes import node_out

REMEMBERED: Final = 64  # texts of one batch, one for each filter


def event(kind: str, data: bytes, number: int | None = None) -> bytes:
    """One event; `data` is JSON, which has no line breaks."""
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"event: %s\ndata: %s\n\n" % (kind.encode("ascii"), data)


def position(number: int, comment: str = "") -> bytes:
    """Where the client is now: it comes back with this number, and no event is dispatched."""
    return b": %s\nid: %d\n\n" % (comment.encode(), number)


def subject_out(job_out: Callable[[JobView], object], subject: Run | JobView | Node | Hold) -> object:
    """What a change was about, as GET shows it. Of a job whose task was another before, runs of that one are left
    out."""
    if isinstance(subject, Run):
        return run_out(subject)
    if isinstance(subject, Node):
        return node_out(subject, doubled=False)
    if isinstance(subject, Hold):
        return hold_out(subject)
    last, task = subject.last_run, subject.job.task
    recent = tuple(run for run in subject.activity.recent if run.task == task)
    its = last if last is None or last.task == task else None
    return job_out(attrs.evolve(subject, last_run=its, activity=attrs.evolve(subject.activity, recent=recent)))


class Texts:
    """Makes the text of a batch of changes for a filter.

    `show` gives the JSON of what a change was about.
    """

    def __init__(self, show: Callable[[Run | JobView | Node | Hold], object]) -> None:
        self._show = show
        self._batch: Sequence[Told] = ()
        self._events: dict[int, bytes] = {}
        self._texts: dict[object, bytes] = {}

    def text(self, batch: Sequence[Told], only: ChangeFilter) -> bytes:
        """The events of the changes that the filter wants."""
        if batch is not self._batch:
            self._batch, self._events, self._texts = batch, {}, {}
        key = (only.caller.tasks, only.caller.may("admin"), only.kinds, only.job_id, only.task, only.states)
        found = self._texts.get(key)
        if found is None:
            found = b"".join(self._event(told) for told in batch if only.wants(told.change))
            if len(self._texts) < REMEMBERED:
                self._texts[key] = found
        return found

    def _event(self, told: Told) -> bytes:
        number = told.change.number or 0
        if number not in self._events:
            self._events[number] = event(told.change.kind, encoded(self._data(told)), number)
        return self._events[number]

    def _data(self, told: Told) -> object:
        if told.subject is None and told.change.kind == "hold":
            return HoldGone(what=told.change.what)
        if told.subject is None:
            return Gone(id=told.change.run_id or told.change.node_id or told.change.job_id or "")
        return self._show(told.subject)
