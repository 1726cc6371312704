"""Every part of a daemon: made in order, and given what it needs of the others."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import attrs

from . import __version__
from .audit import AuditLog
from .clock import SharedClock, WallClock, elapsed, now
from .cluster.alone import Alone
from .cluster.life import Life
from .cluster.membership import Membership
from .cluster.wakeup import Wakeup
from .config.catalog import Catalog
from .config.catalog import load as load_catalog
from .config.options import Config
from .config.tokens import FILE as TOKENS
from .config.tokens import TokenHolder, Tokens
from .config.tokens import load as load_tokens
from .daemon.folder_lock import FolderLock
from .daemon.health import Files, Health
from .daemon.listening import Port
from .daemon.reload import NAMED, CatalogHolder, Reloader
from .daemon.signals import OnStop
from .daemon.startup import OrderedServices, Predecessor, Startup
from .daemon.systemd import Systemd
from .events import Events
from .executor.fleet import Fleet
from .executor.node_life import NodeLife
from .feed import Feed
from .files import room
from .http.site import JobschedSite
from .metrics import Metrics
from .model.ids import Ids
from .model.job import JobFilter
from .model.lease import answer
from .model.membership import Heartbeat
from .model.node import Node
from .model.redaction import Redaction
from .notifications.dispatcher import Dispatcher
from .notifications.sender import WebhookSender
from .notifications.signature import Signer
from .reactor_types import Reactor
from .registry import orders
from .registry.registry import Registry
from .resolver import Names
from .rest.api import serve
from .rest.relay import Relay
from .rest.token_uses import TokenUses
from .runner.calls import Limits
from .runner.deadline import Stop
from .runner.output_file import output_path
from .runner.retention import Retention
from .runner.runner import Runner
from .scheduler.overdue import OverdueWatch
from .scheduler.reconcile import RunnerPort
from .scheduler.scheduler import Scheduler
from .store.contract.store import Store
from .store.opening import open_store
from .store.sign_of_life import SignOfLife
from .threads import CallerThread, Threads
from .ui.app import live_page


@attrs.frozen(kw_only=True)
class Folders:
    """Where configuration, tasks and state are."""

    conf: Path
    tasks: Path
    state: Path


class Parts:
    """The parts of one daemon.

    A part gets everything through its constructor: parts made before it, callables that ask parts made later, and the
    `Events` through which it tells what happens. No part sets an attribute of another.
    """

    def __init__(
        self,
        reactor: Reactor,
        config: Config,
        catalog: Catalog,
        folders: Folders,
        held: Sequence[FolderLock],
        tokens: Tokens,
        endpoints: Sequence[str],
        environ: Mapping[str, str],
        wall: Callable[[], float],
    ) -> None:
        self._reactor, self._config, self._ids = reactor, config, Ids()
        self.events, self.metrics = Events(), Metrics()
        self._sign = SignOfLife(lambda: now(self.clock), elapsed)
        self.store = self._store()
        self.callers = CallerThread(reactor)
        self.files, self.pruning = Threads(reactor, "files"), Threads(reactor, "pruning")
        self.clock = SharedClock(reactor, wall=wall) if self.store.shared else WallClock(reactor, wall)
        self._output, self._redaction = folders.state / "output", Redaction(config.secret_parameters)
        everyone = config.receivers.place
        self.dispatcher = Dispatcher(reactor, self.clock, self.store, self._webhook_sender(), everyone=everyone)
        self._catalog_holder = self._holder_of(catalog, folders)
        self._token_holder = TokenHolder(tokens, lambda: self.files.run(load_tokens, folders.conf / TOKENS))
        self.on_stop = OnStop(leaves_runs=config.on_stop == "leave")
        self.executors = self._executors(folders.state)
        self.runner = self._runner()
        self._previous = Predecessor(folders.state, held[0].before if held else None)
        self.peers = self._peers(_node(config, catalog, now(self.clock)))
        self.scheduler = Scheduler(self.clock, self.store, self._runner_port(), self._ids, self.peers, self.events)
        self.calendar = OrderedServices(self.scheduler, OverdueWatch(self.clock, self.store, self.peers))
        self.retention = self._retention()
        audit_log = AuditLog(self.store, self._ids, config.node_name, self._redaction)
        self.reloader = Reloader(self._token_holder, self._catalog_holder, audit_log, lambda: now(self.clock))
        self.relay, self.feed = Relay(reactor, config.cluster_token), Feed(reactor, self.clock, self.store)
        self.health = self._health()
        self.token_uses = TokenUses(reactor, lambda: now(self.clock), self.store.token_uses.note)
        self.front = self._front(audit_log)
        self.ports = [Port(endpoint, self.front.gate, reactor) for endpoint in endpoints]
        self.wakeup = Wakeup(
            reactor, self.store, config.store, lambda: self.peers.node.id, self.events, self.peers.tells
        )  # fmt: skip
        self.systemd = Systemd(reactor, environ)
        self.startup = Startup(
            reactor, config, self._catalog_holder, self.store, self.runner, self.calendar, self.peers, held,
            self._previous, self.events, endpoints,
        )  # fmt: skip

    def _store(self) -> Store:
        """The node's store. A connection has one request at a time, and that may ask one thing more: hence
        `waiting`."""
        return open_store(
            self._reactor,
            self._config.store,
            everyone=self._config.receivers.place,
            waiting=2 * self._config.max_connections,
            events=self.events,
            sign=self._sign.take,
            tells=lambda: self.peers.tells(),  # noqa: PLW0108  # `peers` comes later
        )

    def _store_of_heartbeats(self) -> Store:
        """A store for heartbeats alone, which must not wait for other requests. This store tells of the runs that dead
        nodes left. If its server takes no more changes, the whole node is told. Its requests are not counted."""
        tells = Events(
            runs_ended=self.events.runs_ended,
            notification_stored=self.events.notification_stored,
            server_read_only=self.events.server_may_differ,
        )
        prompt, everyone = answer(timedelta(seconds=self._config.lease)), self._config.receivers.place
        return open_store(
            self._reactor, self._config.store, threads=1, everyone=everyone, prompt=prompt, events=tells
        )  # fmt: skip

    def _webhook_sender(self) -> WebhookSender:
        config = self._config
        signer = Signer(config.notify_secrets, old=config.notify_old_signature)
        names, seconds = Names(self._reactor).look_up, self.clock.seconds
        return WebhookSender(self._reactor, names, config.receivers, signer, config.node_name, seconds)

    def _holder_of(self, catalog: Catalog, folders: Folders) -> CatalogHolder:
        file, run_as = folders.conf / "catalog.cfg", self._config.run_as
        load = partial(self.files.run, load_catalog, file, folders.tasks, run_as)
        return CatalogHolder(catalog, load, self.events, self._jobs_of)

    async def _jobs_of(self, task: str) -> list[str]:
        only = JobFilter(task=task, activity=False)
        page = await self.store.jobs.page(NAMED + 1, "", only, 1 << 16, now(self.clock))
        return [view.job.name for view in page.values]

    def _executors(self, state: Path) -> Fleet | None:
        """The processes that start scripts; None: the runner starts them itself."""
        config = self._config
        if not config.executors:
            return None
        settings = [str(config.output_limit), f"{config.umask:o}"]
        life = NodeLife(
            patience=config.lease / 2,
            until=lambda: self.peers.until,
            leaves=self.on_stop.leaves,
            hand_over=lambda: self.peers.hand_over(config.handover),
        )
        return Fleet(self._reactor, state, config.executors, settings, config.kill_grace, self._redaction, life)

    def _runner(self) -> Runner:
        config = self._config
        limits = Limits(
            livetime=config.livetime,
            grace=config.kill_grace,
            max_running=config.max_running,
            threads=config.threads,
            output=config.output_limit,
            leaves=self.on_stop.leaves,
        )
        return Runner(
            self._reactor, self.clock, self.store, self._ids, lambda: self._catalog_holder.catalog, self._output,
            limits, self._redaction, self.events, self.executors,
        )  # fmt: skip

    def _stop_run(self, run_id: str, reason: str) -> bool:
        """End a run of this node, for a reason."""
        return self.runner.stop(run_id, Stop("cancelled", reason))

    def _runner_port(self) -> RunnerPort:
        return RunnerPort(slots=lambda: self.runner.slots, active=lambda: self.runner.active, start=self.runner.start,
                          replace=self.runner.replace, known=self.runner.known)  # fmt: skip

    def _heartbeat(self) -> Heartbeat:
        """What this node tells others of itself."""
        return Heartbeat(
            id="",
            tasks=tuple(self._catalog_holder.catalog.names()),
            running=self.runner.active,
            slots=self.runner.slots,
            tried=self.scheduler.tried,
            won=self.scheduler.won,
        )

    def _heartbeat_for_others(self) -> Heartbeat:
        return attrs.evolve(self._heartbeat(), problem=self.health.known_problem)

    def _peers(self, me: Node) -> Membership | Alone:
        """This node among the nodes that share the store; no other node shares an SQLite file."""
        if not isinstance(self.clock, SharedClock):
            return Alone(self.clock, self.store, me, self._heartbeat, self._sign)
        life = Life(
            heartbeat=self._heartbeat_for_others,
            end_all=self.runner.end_all,
            regain=self.runner.regain,
            stored=self.runner.stored,
            end=self._stop_run,
            keep_id=self._previous.keep,
        )
        own, before = self._store_of_heartbeats(), tuple(self._previous.ids)
        return Membership(self._reactor, self.clock, own, self._ids, me, life, self.events, before)

    def _retention(self) -> Retention:
        keep = (self._config.keep_runs, self._config.keep_days, self._config.audit_days)
        return Retention(
            self.clock, self.store, self.pruning.run, self._output, *keep, lambda: self.peers.last_sign
        )  # fmt: skip

    def _health(self) -> Health:
        files = Files(
            self._catalog_holder, self._token_holder, self._config.max_running, self._config.metrics_labels
        )  # fmt: skip
        return Health(
            self._reactor, self.metrics, self.store, self.runner, self.scheduler, self.peers, files,
            lambda: self.front.gate.inside, lambda: self.store.holds.current(now(self.clock)),
            lambda: "" if self.executors is None else self.executors.problem,
        )  # fmt: skip

    def _front(self, audit_log: AuditLog) -> JobschedSite:
        """The site, and the registry that it asks."""
        asked = orders.Parts(
            catalog=lambda: self._catalog_holder.catalog,
            reload=self.reloader.order,
            wake=self.scheduler.wake,
            start_waiting=self.scheduler.start_waiting,
            stop=self._stop_run,
            replace=self.runner.replace,
            waiters=self.runner.waiters.wait,
            output_path=lambda run_id: output_path(self._output, run_id),
            last_line=self.runner.last_line,
            in_thread=self.callers.run,
            node=lambda: self.peers.node,
            node_id=lambda: self.peers.node_id,
            alive=lambda: self.peers.alive,
            livetime=self._config.livetime,
            trouble=lambda: self.health.known_problem,
            disk=lambda: self.files.run(room, self._output.parent),
        )
        registry = Registry(self._reactor, self.clock, self.store.for_callers, self._ids, asked, audit_log)
        return serve(
            self._reactor, self.clock, self._config, registry, self.relay, self._token_holder, self.health, self.events,
            self.feed, partial(live_page, self._reactor, registry, self._config, lambda: now(self.clock), self.health),
            self.token_uses.note,
        )  # fmt: skip


def _node(config: Config, catalog: Catalog, instant: datetime) -> Node:
    """This daemon among the nodes, as it begins."""
    return Node(
        id=str(uuid.uuid4()),
        name=config.node_name,
        url=config.node_url,
        tags=config.node_tags,
        tasks=tuple(catalog.names()),
        version=__version__,
        since=instant,
        seen=instant,
        slots=config.max_running,
        lease_asked=timedelta(seconds=config.lease),
    )
