"""This node among the others: says that it lives, hears who else does, and ends its own runs when it cannot say so.

The lease is by the database's clock: a node that did not renew for so long is dead, and any living node says so and
records its runs as lost. By its own clock a node counts from before it asked, and gives up earlier: its runs are dead
before anybody may start them again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import SharedClock, elapsed, now
from ..events import Events
from ..loops import Loop
from ..model.downtime import Downtime
from ..model.errors import Unavailable
from ..model.ids import Ids
from ..model.log_throttle import PAUSE as LATER
from ..model.membership import MembershipSnapshot
from ..model.node import MEMBERSHIP, MembershipEvent, Node, Standing, differs, twins
from ..model.outage import AGAIN, Outage
from ..store.contract.store import Store
from .declare_dead import DeclareDead
from .lease_term import EVERY, LeaseTerm, Sightings
from .life import Life, told

WATCH = 0.25  # seconds between looks at how long ago the last one was
EACH = 5  # heartbeats between looks for runs that no node has
GONE = "its node did not say that it lives for {:g} s"
OURS = "its node could not say that it lives for {:g} s, and ended it or took it for ended"
OUT_OF_REACH = "the store could not be reached for {:g} s, so this node ended its own runs"


class Membership(Service):
    """Keeps `node` and `alive` as they are. `entered` fires when this node is one of them.

    `store` is its own: a heartbeat must not wait for what else is asked of the database. `previous` are the nodes that
    daemons before this one were: they are gone.
    """

    name = "membership"
    alone = False
    downtime: Downtime | None = None  # the nodes in the store tell
    last_sign: datetime | None = None
    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        clock: SharedClock,
        store: Store,
        ids: Ids,
        node: Node,
        life: Life,
        events: Events,
        previous: Sequence[str] = (),
        elapsed: Callable[[], float] = elapsed,
    ) -> None:
        self.node = node
        self.alive: Sequence[Node] = (node,)
        self.entered: Deferred[None] = Deferred()
        self._life = life
        self._events = events
        self._previous = previous
        self._reactor = reactor
        self._clock = clock
        self._store = store
        self._declare_dead = DeclareDead(store, ids)
        self._elapsed = elapsed
        self._term = LeaseTerm()
        self._beats = 0
        self._runs_go_on = False
        self._was: list[str] = []  # the ids under which this node was one before, and left what is not dealt with
        self._tries = 0  # to enter
        self._sightings = Sightings()
        self.standing: Standing = MEMBERSHIP.begins["start"]
        self._twin = False
        self._outage = Outage()
        self._loops = (
            Loop(reactor, WATCH, self._watch, "the look at the lease"),
            Loop(reactor, EVERY, self._one_round, "the heartbeat"),
        )
        self._beating: Deferred[None] = succeed(None)

    def startService(self) -> None:
        super().startService()
        self._store.startService()
        for loop in self._loops:
            loop.start()

    def stopService(self) -> Deferred[None]:
        """Nothing of this node runs any more; fires when the others can know."""
        super().stopService()
        for loop in self._loops:
            loop.stop()
        return Deferred.fromCoroutine(self._leave())

    @property
    def node_id(self) -> str:
        """The id that this node has now."""
        return self.node.id

    def holds(self) -> bool:
        """Whether this node may act: nobody can have taken it for dead yet."""
        return self.remaining > 0

    @property
    def remaining(self) -> float:
        """Seconds for which it may still act if no heartbeat is heard; 0: it may not."""
        return self._term.remaining(self._elapsed()) if self.standing == "inside" else 0.0

    @property
    def until(self) -> float | None:
        """The elapsed second until which this node may act; nothing of it may run past that."""
        return self._elapsed() + self.remaining

    @property
    def lease(self) -> timedelta:
        """The lease that this node goes by."""
        return self._term.lease

    async def declare_dead(self, known: Sequence[str], silent: Sequence[str] = (), reason: str | None = None) -> None:
        """Record what dead nodes left as lost, and these as dead."""
        reason = reason or GONE.format(self.lease.total_seconds())
        known = [*known, *self._was]
        lost = await self._declare_dead.declare_dead(known, silent, reason, now(self._clock))
        self._was = [each for each in self._was if each not in known]
        for run in lost:
            self.log.warn("run {run} of {job}: {state}, {reason}",
                          run=run.id, job=run.job_name, state=run.state, reason=run.reason)  # fmt: skip
        if lost:
            self._events.members_changed()

    def look_at_tasks(self) -> None:
        """This node can run other tasks than before: it claims by that, and the next heartbeat tells of it."""
        self.node = attrs.evolve(self.node, tasks=self._life.heartbeat().tasks)
        self.alive = tuple(self.node if node.id == self.node.id else node for node in self.alive)
        if self.running:
            self._events.members_changed()

    def look_for_orders(self) -> Deferred[None]:
        """End what runs here and other nodes were told to end. Never fails: the next heartbeat looks again."""
        return Deferred.fromCoroutine(self._follow_orders()).addErrback(self._unread)

    def _unread(self, why: Failure) -> None:
        if why.check(Unavailable) is None:
            self.log.failure("the requests of other nodes to this node could not be read", why)

    async def _follow_orders(self) -> None:
        for run_id, reason in await self._store.runs.stops(self.node.id):
            self._life.end(run_id, reason)

    def _move(self, event: MembershipEvent) -> None:
        self.standing = MEMBERSHIP.after(self.standing, event)

    def _watch(self) -> None:
        """Give up in time."""
        if self.standing == "inside" and not self.holds():
            self._move("lease over")
            why = OUT_OF_REACH.format(self._term.patience)
            self.log.error("{why}; node {node} starts nothing until it is back", why=why, node=self.node.name)
            with self.log.failuresHandled("the runs of this node could not be ended"):
                self._life.end_all(why)

    def _one_round(self) -> Deferred[None]:
        """One heartbeat."""
        self._watch()
        self._beating = Deferred.fromCoroutine(self._beat() if self.standing == "inside" else self._enter())
        return self._beating.addErrback(self._unheard)

    def _unheard(self, why: Failure) -> None:
        words, moment = why.getErrorMessage(), self._elapsed()
        inside = self.standing == "inside"
        if self.standing == "joining":
            self._move("fail")
        if why.check(Unavailable) is None:
            self.log.failure("no heartbeat", why)
        elif not self._outage.failed(words, moment, AGAIN if inside else LATER):
            return
        elif not inside:
            self.log.error("node {node} cannot join the others yet; nothing runs or starts here, trying again: {why}",
                           node=self.node.name, why=words)  # fmt: skip
        else:
            self.log.error(
                "no heartbeat of node {node} for {silent:.0f} s; its runs ({runs}) go on, nothing starts, gives up in "
                "{left:.0f} s: {why}",
                node=self.node.name, silent=self._term.silent(moment), why=words,
                runs=self._life.heartbeat().running, left=self.remaining,
            )  # fmt: skip

    def tells(self) -> bool:
        """Whether this node says, or soon will say, that the store cannot be reached: others need not."""
        return self.standing != "inside" or self._outage.tells(self._elapsed())

    async def _enter(self) -> None:
        """Be a node; if this one was one before, under a new id, and what the old one had is lost."""
        first = self._term.renewed is None
        if not first:
            await self._store.nodes.get(self.node.id)  # is it there again?
            await self._life.stored()
        self._move("join")
        old, asked = self.node, self._elapsed()
        fresh = attrs.evolve(old, id=str(uuid.uuid4())) if self._tries else old
        self._tries += 1  # a try that failed may have been stored
        asked_at, patience = self._clock.seconds(), self._term.patience
        known, gone = ([], self._previous) if first else ([old.id], None)
        entry = await self._store.nodes.join(attrs.evolve(fresh, since=now(self._clock)), known, gone)
        self._clock.observe(entry.now, asked_at)
        await self._life.regain(fresh.id)
        self._life.keep_id(fresh.id)
        self.node = attrs.evolve(fresh, since=entry.now, seen=entry.now, lease=entry.lease)
        self.alive = (self.node,)
        self._term.begin(asked, entry.lease)
        self._move("joined")
        self._outage.over()
        if first:
            self.entered.callback(None)
        else:
            self._events.server_may_differ()
            self.log.warn("node {node} is back under a new id, {id}", node=self.node.name, id=self.node.id)
            self._was += known
            await self.declare_dead([], reason=OURS.format(patience))
        await self._beat()

    async def _beat(self) -> None:
        asked, asked_at = self._elapsed(), self._clock.seconds()
        self._term.ask(asked)
        heartbeat = attrs.evolve(self._life.heartbeat(), id=self.node.id, lease=self.lease)
        snapshot = await self._store.nodes.beat(heartbeat, now(self._clock))
        self._clock.observe(snapshot.now, asked_at)
        if not snapshot.renewed:
            self.log.error("node {node} was taken for dead: its runs end here", node=self.node.name)
            self._move("declared dead")
            self._life.end_all("this node was taken for dead, so it ended its own runs")
            return
        silent = self._term.heard(asked)
        if self._outage.over():
            self.log.info("node {node} is heard again after {silent:.0f} s; its runs ({runs}) went on",
                          node=self.node.name, silent=silent, runs=self._life.heartbeat().running)  # fmt: skip
            self._events.server_may_differ()  # perhaps the address leads to another server now
        self._term.agree(snapshot, self.node)
        self._hear(snapshot)
        for run_id, reason in snapshot.stops:
            self._life.end(run_id, reason)
        await self._look_after_the_dead(snapshot)

    def _hear(self, snapshot: MembershipSnapshot) -> None:
        before = {node.id: node for node in self.alive}
        after = {node.id: node for node in snapshot.alive}
        told_twin = self._twin
        self.alive = snapshot.alive
        self._twin = self.node.name in twins(node for node in self.alive if node.id not in self._previous)
        for node_id in after.keys() - before.keys() - {self.node.id}:
            self.log.info("node {node} is there, {id}", node=after[node_id].name, id=node_id)
        for node_id in before.keys() - after.keys() - {self.node.id}:
            self.log.info("node {node} is gone, {id}", node=before[node_id].name, id=node_id)
        if self._twin and not told_twin:
            self.log.warn("another living node is called {node} too; give each its own NODE_NAME", node=self.node.name)
        if any(differs(before.get(node_id), node) for node_id, node in after.items()) or before.keys() - after.keys():
            self._events.members_changed()

    async def _look_after_the_dead(self, snapshot: MembershipSnapshot) -> None:
        """Now and then, and when some node is silent; not before all had time to come back after a common trouble."""
        self._beats += 1
        settled = self._term.settled(self._elapsed())
        silent = self._sightings.silent(snapshot, self._elapsed())
        if settled and (silent or self._beats % EACH == 0):
            await self.declare_dead([], silent)

    async def _leave(self) -> None:
        await self._beating
        if self.standing == "inside" and not self._runs_go_on:
            await told(self._store, self.node, self._store.nodes.leave(self.node.id, now(self._clock)))
            self._move("leave")
        await self._store.stopService()

    async def hand_over(self, seconds: float) -> None:
        """The last heartbeat: runs go on, and others wait so long for the daemon that comes after this one."""
        for loop in self._loops:
            loop.stop()
        await self._beating
        self._runs_go_on = True
        if self.standing == "inside":
            asked, lease = self._elapsed(), max(timedelta(seconds=seconds), self.lease)
            last = attrs.evolve(self._life.heartbeat(), id=self.node.id, lease=lease, slots=0)
            heard = await told(self._store, self.node, self._store.nodes.beat(last, now(self._clock)))
            if heard is not None and heard.renewed:
                self._term.hand_over(asked, lease)
            elif heard is not None:
                self._move("declared dead")
