"""Composition: builds every part, gives each what it needs of the others, orders their start and their end."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
from twisted.application.service import IService

from . import __version__
from .audit import AuditLog
from .clock import ClockWatch, Metronome, SharedClock, now, told_each
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
from .daemon.reload import CatalogHolder, Reloader
from .daemon.signals import Signals
from .daemon.startup import OrderedServices, Predecessor, Startup
from .metrics import Metrics
from .model.hosts import LOOPBACK, Hosts
from .model.ids import Ids
from .model.lease import answer
from .model.membership import Heartbeat
from .model.node import Node
from .model.redaction import Redaction
from .notifications.dispatcher import Dispatcher
from .notifications.sender import WebhookSender
from .notifications.signature import Signer
from .registry import Parts, Registry
from .resolver import Names
from .rest.audit import Audit
from .rest.auth import Authenticator
from .rest.catalog import Catalog as CatalogCalls
from .rest.deliveries import Deliveries
from .rest.from_json import Defaults
from .rest.health import HealthCalls
from .rest.jobs import Jobs
from .rest.log_limit import Lines
from .rest.nodes import Nodes
from .rest.openapi import OpenApi
from .rest.output import Outputs
from .rest.pages import Pages
from .rest.relay import Relay
from .rest.route import Route
from .rest.runs import Runs
from .rest.site import JobschedSite as Site
from .rest.site import site
from .runner.deadline import Stop
from .runner.limits import Limits
from .runner.output import output_path
from .runner.retention import Retention
from .runner.runner import Runner
from .scheduler.overdue import OverdueWatch
from .scheduler.runner_port import RunnerPort
from .scheduler.scheduler import Scheduler
from .store.contract.store import Store
from .store.opening import open_store
from .threads import CallerThread, Threads


@attrs.frozen(kw_only=True)
class Folders:
    """Where configuration, tasks and state are."""

    conf: Path
    tasks: Path
    state: Path


def build(
    reactor: Any, config: Config, catalog: Catalog, folders: Folders, held: list[FolderLock], tokens: Tokens = OPEN
) -> tuple[OrderedServices, Site]:
    """The whole daemon but for its listening ports, and the site that those are to serve."""
    ids, metrics = Ids(), Metrics()
    store = _store(reactor, config)
    callers, files, pruning = CallerThread(reactor), Threads(reactor, "files"), Threads(reactor, "pruning")
    clock: Any = SharedClock(reactor) if store.shared else reactor
    output = folders.state / "output"
    dispatcher = Dispatcher(
        reactor, clock, store, _webhook_sender(reactor, clock, config), everyone=config.receivers.place
    )
    redaction = Redaction(config.secret_parameters)
    runner = Runner(reactor, store, ids, lambda: catalog_holder.catalog, output, _limits(config), clock, redaction)
    read = (load_catalog, folders.conf / "catalog.cfg", folders.tasks, config.run_as)
    catalog_holder = CatalogHolder(catalog, lambda: files.run(*read))
    token_holder = TokenHolder(tokens, lambda: files.run(load_tokens, folders.conf / TOKENS))
    authenticator = Authenticator(
        lambda: token_holder.tokens, lambda: now(clock), reactor.seconds, config.cluster_token, Lines(reactor)
    )

    def heartbeat() -> Heartbeat:
        tasks, tried, won = tuple(catalog_holder.catalog.names()), scheduler.tried, scheduler.won
        return Heartbeat(id="", tasks=tasks, running=runner.active, slots=runner.slots, tried=tried, won=won)

    peers = _peers(
        reactor, clock, store, config, ids, _node(config, catalog, now(clock)), heartbeat, metrics, dispatcher
    )
    runner_port = RunnerPort(slots=lambda: runner.slots, start=runner.start, replace=runner.replace, known=runner.known)
    scheduler = Scheduler(clock, store, runner_port, ids, peers)
    overdue_watch = OverdueWatch(clock, store, peers)
    runner.recorded, store.notified = scheduler.slots_free, dispatcher.wake
    audit_log = AuditLog(store, ids, lambda: peers.node.name, redaction)
    reloader = Reloader(token_holder, catalog_holder, audit_log, lambda: now(clock))
    parts = _parts(config, catalog_holder, reloader, scheduler, runner, peers, output, callers)
    registry = Registry(clock, store.for_callers, ids, parts, audit_log)
    previous, relay = Predecessor(folders.state), Relay(reactor, config.cluster_token)
    rest: list[Any] = [
        logs.QueuedLogging(),
        store,
        peers,  # it goes when nothing runs any more
        dispatcher,
        runner,
        files,
        pruning,
        _retention(clock, store, pruning, output, config, lambda: peers.last_sign),
        relay,
        callers,
        _startup(
            Startup(config, store, runner, _ordered_services(scheduler, overdue_watch), peers, held, previous),
            catalog_holder,
        ),
        Signals(reactor, reloader.hang_up),
    ]
    stepped = [part.clock_stepped for part in (runner, scheduler, overdue_watch, dispatcher, peers)]
    if isinstance(peers, Membership):
        scheduler.observe = clock.observe
        catalog_holder.changed = peers.look_at_tasks
        peers.previous = tuple(previous.ids)
        peers.life = _life(heartbeat, runner, scheduler, previous)
        wakeup = _wakeup(reactor, config, store, scheduler, peers)
        rest += [wakeup]
        stepped += [wakeup.clock_stepped]
    services = _ordered_services(*rest, ClockWatch(reactor, told_each(reactor, stepped), metronome=Metronome(reactor)))
    health = Health(
        reactor, metrics, store, runner, scheduler, peers, Files(catalog_holder, token_holder, config.max_running)
    )
    routes = _routes(registry, relay, config, lambda: now(clock), lambda: authenticator.asks, health)
    front = health.watched(
        site(routes, reactor, _hosts(config), config.max_connections, authenticator.admit, authenticator.lines)
    )
    return services, front


def _startup(startup: Startup, catalog_holder: CatalogHolder) -> Startup:
    startup.say_more = catalog_holder.say_problems
    return startup


def _ordered_services(*parts: Any) -> OrderedServices:
    services = OrderedServices()
    for part in parts:
        IService(part).setServiceParent(services)
    return services


def _store(reactor: Any, config: Config) -> Store:
    """Each connection has one request at a time, which may ask something besides meanwhile: so many may wait."""
    return open_store(reactor, config.store, everyone=config.receivers.place, waiting=2 * config.max_connections)


def _peers(
    reactor: Any,
    clock: Any,
    store: Store,
    config: Config,
    ids: Ids,
    me: Node,
    heartbeat: Callable[[], Heartbeat],
    metrics: Metrics,
    dispatcher: Dispatcher,
) -> Membership | Alone:
    """This node among those that share the store; an SQLite file is shared with nobody."""
    if not isinstance(clock, SharedClock):
        return Alone(clock, store, me, heartbeat)
    prompt = answer(timedelta(seconds=config.lease))
    own = open_store(reactor, config.store, threads=1, everyone=config.receivers.place, prompt=prompt)
    own.ended, own.notified = metrics.ended, dispatcher.wake  # of the runs that dead nodes left
    return Membership(reactor, clock, own, ids, me)


def _retention(
    clock: Any, store: Store, pruning: Threads, output: Path, config: Config, last_sign: Callable[[], datetime | None]
) -> Retention:
    keep = (config.keep_runs, config.keep_days, config.audit_days)
    return Retention(clock, store, pruning.run, output, *keep, last_sign)


def _webhook_sender(reactor: Any, clock: Any, config: Config) -> WebhookSender:
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
        in_thread=callers.run,
        node=lambda: peers.node,
        alive=lambda: peers.alive,
        livetime=config.livetime,
    )


def _life(heartbeat: Callable[[], Heartbeat], runner: Runner, scheduler: Scheduler, previous: Predecessor) -> Life:
    return Life(
        heartbeat=heartbeat,
        end_all=runner.end_all,
        stored=runner.stored,
        end=_cancelling(runner),
        changed=scheduler.wake,
        keep_id=previous.keep,
    )


def _cancelling(runner: Runner) -> Callable[[str, str], bool]:
    """Ends a run of this node, for a reason."""
    return lambda run_id, reason: runner.stop(run_id, Stop("cancelled", reason))


def _news(scheduler: Scheduler, membership: Membership) -> Callable[[], None]:
    """Another node has changed something: look at the store."""

    def heard() -> None:
        scheduler.wake()
        membership.look_for_orders()

    return heard


def _wakeup(reactor: Any, config: Config, store: Store, scheduler: Scheduler, peers: Membership) -> Wakeup:
    """And: the heartbeat tells of outages for all, and of another server; what only reads would never find that out."""
    wakeup = Wakeup(reactor, store, config.store, lambda: peers.node.id, _news(scheduler, peers))

    def renew() -> None:
        store.renew()
        wakeup.renew()

    store.tells = wakeup.tells = peers.tells
    store.elsewhere, peers.elsewhere = wakeup.renew, renew
    return wakeup


def _routes(
    registry: Registry, relay: Relay, config: Config, clock: Callable[[], datetime],
    asks: Callable[[], bool] = lambda: False, health: Any = None,
) -> list[Route]:  # fmt: skip
    redaction = Redaction(config.secret_parameters)
    defaults = Defaults(policy=config.policy, timezone=config.timezone, redaction=redaction, receivers=config.receivers)
    outputs, pages = Outputs(registry, relay, config.max_followers), Pages()
    routes = [
        *CatalogCalls(registry, defaults, clock).routes(),
        *Jobs(registry, outputs, defaults, pages).routes(),
        *Runs(registry, outputs, pages).routes(),
        *Deliveries(registry, pages).routes(),
        *Nodes(registry).routes(),
        *Audit(registry, pages).routes(),
        *HealthCalls(health).routes(),
    ]
    return [*routes, *OpenApi(routes, asks).routes()]


def _hosts(config: Config) -> Hosts:
    """The names we go by; other nodes ask for what NODE_URL says."""
    given = LOOPBACK if config.allowed_hosts is None else config.allowed_hosts
    return Hosts.of([*given, urlsplit(config.node_url or "").netloc])


def _limits(config: Config) -> Limits:
    return Limits(
        livetime=config.livetime,
        grace=config.kill_grace,
        max_running=config.max_running,
        threads=config.threads,
        output=config.output_limit,
    )
