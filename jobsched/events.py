"""What the parts of a node tell each other. `parts` makes one record of it before all else and gives it to those
that tell; `service`, and nothing else, says who hears what. So two parts can need each other, and neither
reaches into the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, ParamSpec

import attrs

from .model.run import Run

P = ParamSpec("P")


class Topic(Generic[P]):
    """Something that happens again and again. To call it is to tell all that have subscribed, in the order in which
    they did, in the thread of the caller. What one of them raises comes back to the caller."""

    def __init__(self) -> None:
        self._hearers: list[Callable[P, object]] = []

    def subscribe(self, hear: Callable[P, object]) -> None:
        """Call `hear` each time, from now on."""
        self._hearers.append(hear)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        for hear in self._hearers:
            hear(*args, **kwargs)


@attrs.frozen(kw_only=True)
class Events:
    """All events, grouped by the part that tells of them; in the reactor's thread, unless marked "any thread"."""

    # The store.
    store_asked: Topic[[bool, float, str | None, str]] = attrs.field(factory=Topic)
    """Any thread: whether it was a change, how many seconds it took, "unavailable", "fault" or None; why the first."""
    runs_ended: Topic[[Sequence[Run]]] = attrs.field(factory=Topic)
    """Any thread: the outcomes of these runs are on disk."""
    notification_stored: Topic[[]] = attrs.field(factory=Topic)
    """There is one to be sent."""
    server_read_only: Topic[[]] = attrs.field(factory=Topic)
    """The database's server takes no changes any more: another one does."""

    # This node among the others.
    server_may_differ: Topic[[]] = attrs.field(factory=Topic)
    """After an outage: the database's address may lead to another server."""
    members_changed: Topic[[]] = attrs.field(factory=Topic)
    """The living nodes are others than before or can run something else, or this one may act again."""

    others_changed: Topic[[]] = attrs.field(factory=Topic)
    """Another node may have changed something in the store."""

    # The scheduler.
    database_time: Topic[[datetime, float]] = attrs.field(factory=Topic)
    """What the database's clock showed, and what this node's clock had shown when that was asked."""
    swept: Topic[[float]] = attrs.field(factory=Topic)
    """A look at what is due soon was whole; how many seconds it took."""

    # The runner.
    run_started: Topic[[Run, datetime]] = attrs.field(factory=Topic)
    """On this node, at that instant."""
    run_over: Topic[[]] = attrs.field(factory=Topic)
    """On this node; the store does not know yet."""
    slots_freed: Topic[[bool]] = attrs.field(factory=Topic)
    """Runs have ended, and the store knows. Whether some of them will be tried again."""

    # The daemon.
    scheduling_began: Topic[[]] = attrs.field(factory=Topic)
    """What is due is looked after from now on."""
    reload_began: Topic[[]] = attrs.field(factory=Topic)
    """By a signal: files are about to be read again."""
    reload_ended: Topic[[]] = attrs.field(factory=Topic)
    """They were, with or without success."""
    catalog_changed: Topic[[]] = attrs.field(factory=Topic)
    """Another catalog is in force."""

    # HTTP.
    request_answered: Topic[[str, str, int, float]] = attrs.field(factory=Topic)
    """Method, route, status, and the seconds from the request to the end of its answer."""
    answer_unheard: Topic[[str, str, int]] = attrs.field(factory=Topic)
    """A write was done or refused, and its client had hung up: method, route, and what would have been the status."""
