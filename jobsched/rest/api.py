"""All calls of the API, and the site that serves each of them to the callers that may make it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from ..clock import now
from ..config.options import Config
from ..config.tokens import TokenHolder
from ..events import Events
from ..feed import Feed
from ..http.auth import Authenticator
from ..http.from_json import Defaults
from ..http.instants import Times
from ..http.log_limit import Lines
from ..http.pages import Pages
from ..http.route import Route
from ..http.sessions import Sessions
from ..http.site import JobschedSite, site
from ..model.hosts import LOOPBACK, Hosts
from ..model.redaction import Redaction
from ..registry.registry import Registry
from .audit import Audit
from .badge import Badges
from .batches import Batches
from .calendar import Calendar
from .catalog import Catalog
from .deliveries import Deliveries
from .event_text import Texts, subject_out
from .events import EventCalls, Following
from .greeting import Errors, Greeting
from .health import Body, HealthCalls
from .holds import Holds
from .job_keys import ByKey, JobKeys, shut
from .job_sets import JobSets
from .jobs import Jobs
from .me import Me
from .nodes import Nodes, Storage
from .openapi import OpenApi
from .output import Outputs
from .readiness import Readiness
from .relay import Relay
from .run_counts import RunCounts
from .runs import Runs
from .upcoming import Upcoming
from .why import Why


def serve(
    reactor: IReactorTime,
    clock: IReactorTime,
    config: Config,
    registry: Registry,
    relay: Relay,
    token_holder: TokenHolder,
    health: Body,
    events: Events,
    feed: Feed,
    page: Callable[[Authenticator], Resource],
    used: Callable[[str], None] = lambda _: None,
) -> JobschedSite:
    """The site with all calls, and the page. `clock`: the one that all nodes use; `used` is told which tokens are
    used."""
    lines = Lines(reactor)
    authenticator = Authenticator(
        lambda: token_holder.tokens, lambda: now(clock), reactor.seconds, config.cluster_token, lines,
        Sessions(registry.session_key, lambda: token_holder.tokens, lambda: now(clock)), used,
    )  # fmt: skip
    readiness = Readiness(reactor, health.health_problems, lambda: registry.node_name)
    following = Following(reactor=reactor, feed=feed, admit=authenticator.admit, readiness=readiness)
    every = routes(
        registry, relay, config, lambda: now(clock), lambda: authenticator.asks, health, following, authenticator.by_key
    )
    return site(
        every, reactor, hosts(config), config.max_connections, authenticator.admit, lines, events, page(authenticator)
    )


def routes(
    registry: Registry, relay: Relay, config: Config, clock: Callable[[], datetime], asks: Callable[[], bool],
    health: Body, following: Following, by_key: ByKey = shut,
) -> list[Route]:  # fmt: skip
    """All routes; `asks` tells whether callers need a token, `by_key` lets in those that have a key of a job."""
    redaction = Redaction(config.secret_parameters)
    defaults = Defaults(policy=config.policy, timezone=config.timezone, redaction=redaction, receivers=config.receivers)
    outputs, pages = Outputs(registry, relay, config.max_followers), Pages()
    times = Times(clock, config.timezone)
    calendar = Calendar(registry, pages, times)
    jobs = Jobs(registry, outputs, defaults, pages, times)
    texts = Texts(partial(subject_out, jobs.out))
    calls = [
        *Catalog(registry, defaults, clock).routes(),
        *jobs.routes(),
        *JobSets(registry, defaults, pages).routes(),
        *Batches(registry, defaults).routes(),
        *Why(registry, config.timezone, clock).routes(),
        *Runs(registry, outputs, pages, times).routes(),
        *RunCounts(registry, times).routes(),
        *Upcoming(registry, pages, times).routes(),
        *calendar.routes(),
        *Badges(registry).routes(),
        *JobKeys(registry, calendar, by_key).routes(),
        *Deliveries(registry, pages).routes(),
        *Nodes(registry).routes(),
        *Me(registry, asks).routes(),
        *Storage(registry, config.keep_runs, config.keep_days).routes(),
        *Holds(registry, clock).routes(),
        *Audit(registry, pages).routes(),
        *EventCalls(following, outputs, texts).routes(),
        *HealthCalls(health).routes(),
        *Errors().routes(),
        *Greeting().routes(),
    ]
    return [*calls, *OpenApi(calls, asks).routes()]


def hosts(config: Config) -> Hosts:
    """The host names of this node; other nodes use the name in NODE_URL."""
    given = LOOPBACK if config.allowed_hosts is None else config.allowed_hosts
    return Hosts.of([*given, urlsplit(config.node_url or "").netloc])
