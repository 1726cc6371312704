"""Composition: has every part made, connects events to the parts that handle them, and orders the start and the end of
all parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from .clock import ClockWatch, SharedClock, wall_time
from .cluster.membership import Membership
from .config.catalog import Catalog
from .config.options import Config
from .config.tokens import OPEN, Tokens
from .daemon import logs
from .daemon.folder_lock import FolderLock
from .daemon.signals import Signals
from .daemon.startup import OrderedServices
from .http.site import JobschedSite
from .parts import Folders, Parts
from .reactor_types import Reactor


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
    """The whole daemon, and the site that it serves at the `endpoints`."""
    parts = Parts(reactor, config, catalog, folders, held, tokens, endpoints, environ, wall)
    services = _ordered(reactor, parts)
    _count(parts)
    _connect(parts)
    if isinstance(parts.peers, Membership) and isinstance(parts.clock, SharedClock):
        _connect_to_others(parts, parts.clock, parts.peers)
    return services, parts.front


def _ordered(reactor: Reactor, parts: Parts) -> OrderedServices:
    """All services, in the order in which they start."""
    return OrderedServices(
        logs.QueuedLogging(),
        parts.store,
        parts.peers,  # stops when nothing runs any more
        parts.dispatcher,
        *([] if parts.executors is None else [parts.executors]),  # ends when no run is left
        parts.runner,
        parts.files,
        parts.pruning,
        parts.retention,
        parts.relay,
        parts.feed,
        parts.token_uses,
        parts.callers,
        parts.startup,
        Signals(reactor, parts.events, parts.on_stop, parts.reloader.hang_up, *[port.renew for port in parts.ports]),
        *([parts.wakeup] if isinstance(parts.peers, Membership) else []),
        ClockWatch(reactor, lambda _seconds: parts.scheduler.clock_stepped()),
        *parts.ports,
        parts.systemd,
    )


def _count(parts: Parts) -> None:
    """Connect events to the parts that count them."""
    events, metrics = parts.events, parts.metrics
    events.store_asked.subscribe(parts.health.store_asked)
    events.runs_ended.subscribe(metrics.ended)
    events.run_started.subscribe(metrics.begun)
    events.swept.subscribe(metrics.swept)
    events.request_answered.subscribe(metrics.answered)
    events.answer_unheard.subscribe(metrics.unheard)


def _connect(parts: Parts) -> None:
    """Connect events to the parts that handle them on every node."""
    events = parts.events
    events.run_over.subscribe(parts.scheduler.slot_free)
    events.run_over.subscribe(parts.retention.run_over)
    events.slots_freed.subscribe(parts.scheduler.slots_free)
    events.notification_stored.subscribe(parts.dispatcher.wake)
    events.scheduling_began.subscribe(parts.systemd.begun)
    events.reload_began.subscribe(parts.systemd.reloading)
    events.reload_ended.subscribe(parts.systemd.reread)


def _connect_to_others(parts: Parts, clock: SharedClock, peers: Membership) -> None:
    """Connect further events on a node among others. For all parts, the heartbeat finds out that the database server is
    another one now: a part that only reads would never notice."""
    events = parts.events
    events.members_changed.subscribe(parts.scheduler.wake)
    events.others_changed.subscribe(parts.scheduler.wake)
    events.others_changed.subscribe(peers.look_for_orders)
    events.catalog_changed.subscribe(peers.look_at_tasks)
    events.database_time.subscribe(clock.observe)
    events.server_read_only.subscribe(parts.wakeup.renew)
    events.server_may_differ.subscribe(parts.store.renew)
    events.server_may_differ.subscribe(parts.wakeup.renew)
