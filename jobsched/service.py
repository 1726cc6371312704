"""Composition: builds every part, gives each part the others that it needs, connects events to the parts that handle
them, and orders the start and the end of all parts."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import attrs
from twisted.internet.interfaces import IReactorTime

from . import __version__
from .audit import AuditLog
from .clock import ClockWatch, SharedClock, WallClock, elapsed, now, wall_time
from .cluster.alone import Alone
from .cluster.membership import Life, Membership
from .cluster.wakeup import Wakeup
from .config.catalog import Catalog
from .config.catalog import load as load_catalog
from .config.options import Config
from .config.tokens import FILE as TOKENS
from .config.tokens import OPEN, TokenHolder, Tokens
from .config.tokens import load as load_tokens
from .daemon import logs
from .daemon.folder_lock import FolderLock
from .daemon.health import Files, Health
from .daemon.listening import Port
from .daemon.reload import CatalogHolder, Reloader
from .daemon.signals import Signals
from .daemon.startup import OrderedServices, Predecessor, Startup
from .daemon.systemd import Systemd
from .events import Events
from .feed import Feed
from .metrics import Metrics
from .model.ids import Ids
from .model.lease import answer
from .model.membership import Heartbeat
from .model.node import Node
from .model.redaction import Redaction
from .notifications.dispatcher import Dispatcher
from .notifications.sender import WebhookSender
from .notifications.signature import Signer
from .reactor_types import Reactor
from .registry.orders import Parts
from .registry.registry import Registry
from .resolver import Names
from .rest.api import serve
from .rest.relay import Relay
from .rest.site import JobschedSite
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


@attrs.frozen(kw_only=True)
class Folders:
    """Where configuration, tasks and state are."""

    conf: Path
    tasks: Path
    state: Path


def build(
    reactor: Reactor,
    config: Config,
    catalog: Catalog,
    folders: Folders,
    held: Sequence[FolderLock],
    tokens: Tokens = OPEN,
    endpoints: Sequence[str] = (),
    environ: Mapping[str, str] = MappingProxyType({}),
    wall: Callable[[], float] = wall_time,
) -> tuple[OrderedServices, JobschedSite]:
    """The whole daemon, and the site that it serves at the `endpoints`.

    A part gets everything through its constructor: parts made before it, callables that ask parts made later, and the
    `Events` through which it tells what happens. No part sets an attribute of another.
    """
    events, ids, metrics = Events(), Ids(), Metrics()
    sign = SignOfLife(lambda: now(clock), elapsed)
    store = _store(reactor, config, events, sign, lambda: peers.tells())  # noqa: PLW0108  # `peers` comes later
    callers, files, pruning = CallerThread(reactor), Threads(reactor, "files"), Threads(reactor, "pruning")
    clock = SharedClock(reactor, wall=wall) if store.shared else WallClock(reactor, wall)
    output, redaction = folders.state / "output", Redaction(config.secret_parameters)
    sender = _webhook_sender(reactor, clock, config)
    dispatcher = Dispatcher(reactor, clock, store, sender, everyone=config.receivers.place)
    catalog_file = folders.conf / "catalog.cfg"
    catalog_holder = CatalogHolder(
        catalog, lambda: files.run(load_catalog, catalog_file, folders.tasks, config.run_as), events
    )
    token_holder = TokenHolder(tokens, lambda: files.run(load_tokens, folders.conf / TOKENS))
    limits = _limits(config)
    runner = Runner(reactor, clock, store, ids, lambda: catalog_holder.catalog, output, limits, redaction, events)

    def heartbeat() -> Heartbeat:
        tasks, tried, won = tuple(catalog_holder.catalog.names()), scheduler.tried, scheduler.won
        return Heartbeat(id="", tasks=tasks, running=runner.active, slots=runner.slots, tried=tried, won=won)

    me, previous = _node(config, catalog, now(clock)), Predecessor(folders.state)
    peers = _peers(reactor, clock, store, config, ids, me, heartbeat, sign, runner, previous, events)
    runner_port = RunnerPort(slots=lambda: runner.slots, start=runner.start, replace=runner.replace, known=runner.known)
    scheduler = Scheduler(clock, store, runner_port, ids, peers, events)
    overdue_watch = OverdueWatch(clock, store, peers)
    audit_log = AuditLog(store, ids, lambda: me.name, redaction)
    reloader = Reloader(token_holder, catalog_holder, audit_log, lambda: now(clock))
    parts = _parts(config, catalog_holder, reloader, scheduler, runner, peers, output, callers)
    registry = Registry(reactor, clock, store.for_callers, ids, parts, audit_log)
    relay = Relay(reactor, config.cluster_token)
    read_files = Files(catalog_holder, token_holder, config.max_running, config.metrics_labels)
    health = Health(
        reactor, metrics, store, runner, scheduler, peers, read_files, lambda: front.gate.inside,
        lambda: store.holds.current(now(clock)),
    )  # fmt: skip
    feed = Feed(reactor, clock, store)
    front = serve(reactor, clock, config, registry, relay, token_holder, health, events, feed)
    ports = [Port(endpoint, front.gate, reactor) for endpoint in endpoints]
    calendar, systemd = OrderedServices(scheduler, overdue_watch), Systemd(reactor, environ)
    wakeup = Wakeup(reactor, store, config.store, lambda: peers.node.id, events, peers.tells)
    wakeups = [] if isinstance(peers, Alone) else [wakeup]
    services = OrderedServices(
        logs.QueuedLogging(),
        store,
        peers,  # stops when nothing runs any more
        dispatcher,
        runner,
        files,
        pruning,
        _retention(clock, store, pruning, output, config, lambda: peers.last_sign),
        relay,
        feed,
        callers,
        Startup(config, catalog_holder, store, runner, calendar, peers, held, previous, events),
        Signals(reactor, events, reloader.hang_up, *[port.renew for port in ports]),
        *wakeups,
        ClockWatch(reactor, lambda _seconds: scheduler.clock_stepped()),
        *ports,
        systemd,
    )
    _count(events, metrics, health)
    _connect(events, scheduler, dispatcher, systemd)
    if isinstance(peers, Membership) and isinstance(clock, SharedClock):
        _connect_to_others(events, clock, store, scheduler, peers, wakeup)
    return services, front


def _count(events: Events, metrics: Metrics, health: Health) -> None:
    """Connect events to the parts that count them."""
    events.store_asked.subscribe(health.store_asked)
    events.runs_ended.subscribe(metrics.ended)
    events.run_started.subscribe(metrics.begun)
    events.swept.subscribe(metrics.swept)
    events.request_answered.subscribe(metrics.answered)
    events.answer_unheard.subscribe(metrics.unheard)


def _connect(events: Events, scheduler: Scheduler, dispatcher: Dispatcher, systemd: Systemd) -> None:
    """Connect events to the parts that handle them on every node."""
    events.slots_freed.subscribe(scheduler.slots_free)
    events.notification_stored.subscribe(dispatcher.wake)
    events.scheduling_began.subscribe(systemd.begun)
    events.reload_began.subscribe(systemd.reloading)
    events.reload_ended.subscribe(systemd.reread)


def _connect_to_others(
    events: Events, clock: SharedClock, store: Store, scheduler: Scheduler, peers: Membership, wakeup: Wakeup
) -> None:
    """Connect further events on a node among others. For all parts, the heartbeat finds out that the database server is
    another one now: a part that only reads would never notice."""
    events.members_changed.subscribe(scheduler.wake)
    events.others_changed.subscribe(scheduler.wake)
    events.others_changed.subscribe(peers.look_for_orders)
    events.catalog_changed.subscribe(peers.look_at_tasks)
    events.database_time.subscribe(clock.observe)
    events.server_read_only.subscribe(wakeup.renew)
    events.server_may_differ.subscribe(store.renew)
    events.server_may_differ.subscribe(wakeup.renew)


def _store(
    reactor: Reactor, config: Config, events: Events, sign: SignOfLife, tells: Callable[[], bool]
) -> Store:  # fmt: skip
    """The node's store. A connection has one request at a time, and that may ask one thing more: hence `waiting`."""
    waiting, everyone = 2 * config.max_connections, config.receivers.place
    return open_store(
        reactor, config.store, everyone=everyone, waiting=waiting, events=events, sign=sign.take, tells=tells
    )  # fmt: skip


def _peers(
    reactor: Reactor,
    clock: IReactorTime,
    store: Store,
    config: Config,
    ids: Ids,
    me: Node,
    heartbeat: Callable[[], Heartbeat],
    sign: SignOfLife,
    runner: Runner,
    previous: Predecessor,
    events: Events,
) -> Membership | Alone:
    """This node among the nodes that share the store; no other node shares an SQLite file."""
    if not isinstance(clock, SharedClock):
        return Alone(clock, store, me, heartbeat, sign)
    life = Life(
        heartbeat=heartbeat,
        end_all=runner.end_all,
        stored=runner.stored,
        end=_cancelling(runner),
        keep_id=previous.keep,
    )
    own = _store_of_heartbeats(reactor, config, events)
    return Membership(reactor, clock, own, ids, me, life, events, tuple(previous.ids))


def _store_of_heartbeats(reactor: Reactor, config: Config, events: Events) -> Store:
    """A store for heartbeats alone, which must not wait for other requests. This store tells of the runs that dead
    nodes left. If its server takes no more changes, the whole node is told. Its requests are not counted."""
    tells = Events(
        runs_ended=events.runs_ended,
        notification_stored=events.notification_stored,
        server_read_only=events.server_may_differ,
    )
    prompt, everyone = answer(timedelta(seconds=config.lease)), config.receivers.place
    return open_store(reactor, config.store, threads=1, everyone=everyone, prompt=prompt, events=tells)


def _retention(
    clock: IReactorTime,
    store: Store,
    pruning: Threads,
    output: Path,
    config: Config,
    last_sign: Callable[[], datetime | None],
) -> Retention:
    keep = (config.keep_runs, config.keep_days, config.audit_days)
    return Retention(clock, store, pruning.run, output, *keep, last_sign)


def _webhook_sender(reactor: Reactor, clock: IReactorTime, config: Config) -> WebhookSender:
    signer, receivers = Signer(config.notify_secrets, old=config.notify_old_signature), config.receivers
    return WebhookSender(reactor, Names(reactor).look_up, receivers, signer, config.node_name, clock.seconds)


def _node(config: Config, catalog: Catalog, instant: datetime) -> Node:
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


def _parts(
    config: Config, catalog_holder: CatalogHolder, reloader: Reloader, scheduler: Scheduler, runner: Runner,
    peers: Membership | Alone, output: Path, callers: CallerThread,
) -> Parts:  # fmt: skip
    return Parts(
        catalog=lambda: catalog_holder.catalog,
        reload=reloader.order,
        wake=scheduler.wake,
        start_waiting=scheduler.start_waiting,
        stop=_cancelling(runner),
        replace=runner.replace,
        waiters=runner.waiters.wait,
        output_path=lambda run_id: output_path(output, run_id),
        last_line=runner.last_line,
        in_thread=callers.run,
        node=lambda: peers.node,
        node_id=lambda: peers.node_id,
        alive=lambda: peers.alive,
        livetime=config.livetime,
    )


def _cancelling(runner: Runner) -> Callable[[str, str], bool]:
    """A function that ends a run of this node, for a reason."""
    return lambda run_id, reason: runner.stop(run_id, Stop("cancelled", reason))


def _limits(config: Config) -> Limits:
    return Limits(
        livetime=config.livetime,
        grace=config.kill_grace,
        max_running=config.max_running,
        threads=config.threads,
        output=config.output_limit,
    )
