"""What is counted, as Prometheus reads it.

Counts and histograms are of this daemon, since it began; what all nodes share is in `Counts`. Labels are the names of
tasks, up to a number of them, routes as they are written, and words of our own. No label holds an id, but in
`jobsched_job_info`, which the operator asks for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from platform import python_version
from typing import Any, Final, TypeVar

import attrs
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from .model.health import Counts, JobInfo
from .model.labels import metric_name
from .model.run import ENDED, Run

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
M = TypeVar("M", Counter, Histogram)
MOST_TASKS = 100
OTHER = "other"
KINDS: Final = {False: "read", True: "write"}
OUTCOMES: Final = ("ran", "skipped", "missed", "lost", "cancelled")  # of a due
OF_DUES: Final = ("skipped", "missed", "lost")  # states of a run that are outcomes of its due
MANY = 100  # samples that are written down in one go

DURATION = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400)  # seconds
LATENESS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)
STORE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
HTTP = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30)
SWEEP = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)

disable_created_metrics()  # or each counter and each histogram would have a second line that says since when


@attrs.frozen(kw_only=True)
class Facts:
    """How things stand at this moment. What is None is not known, and left out."""

    version: str
    uptime: float  # seconds
    threads: int
    running: int  # runs, here
    slots: int  # how many may run here at once
    ready: bool
    store_up: bool
    counts: Counts | None  # as the store said last
    labels: Sequence[str]  # of jobs, that are shown
    infos: Sequence[JobInfo]
    nodes_alive: int
    lease: float | None  # seconds; None where no other node can ever be there
    lease_remaining: float | None
    fenced: bool  # it may not act: others may take it for dead
    sweep_age: float | None  # seconds since the last one that was whole
    tried: int  # claims of dues
    won: int
    catalog_sound: bool  # whether the last reading of it succeeded
    tokens_sound: bool
    connections: int


class Metrics:
    """Takes in what happens, at a few microseconds each, and writes it all down when it is asked for.

    `ended` and `asked` may be called from any thread.
    """

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        ProcessCollector(registry=own)
        self._tasks: set[str] = set()
        self._children: dict[tuple[str, ...], Any] = {}
        self._dues = Counter(
            "jobsched_dues_total", "Dues of schedules that came to their end here, a stretch by its count, by outcome.",
            ["outcome"], registry=own,
        )  # fmt: skip
        self._runs = Counter(
            "jobsched_runs_total", "Runs whose outcome was recorded here.", ["task", "state"], registry=own
        )
        self._duration = Histogram(
            "jobsched_run_duration_seconds", "From start to end of runs.", ["task"], registry=own, buckets=DURATION
        )
        self._lateness = Histogram(
            "jobsched_start_lateness_seconds", "From a due of a schedule to the start of its run.",
            ["task"], registry=own, buckets=LATENESS,
        )  # fmt: skip
        self._output = Counter("jobsched_output_bytes_total", "Bytes that runs printed, kept or not.", registry=own)
        self._requests = Counter(
            "jobsched_http_requests_total", "Requests that were answered.", ["method", "route", "status"], registry=own
        )
        self._unheard = Counter(
            "jobsched_http_unheard_total", "Writes whose client hung up before the answer, by what it would have been.",
            ["method", "route", "status"], registry=own,
        )  # fmt: skip
        self._answering = Histogram(
            "jobsched_http_request_duration_seconds", "From a request to the end of its answer.",
            ["method", "route"], registry=own, buckets=HTTP,
        )  # fmt: skip
        self._store = Histogram(
            "jobsched_store_duration_seconds", "From a question or change to its answer, a wait for a thread included.",
            ["kind"], registry=own, buckets=STORE,
        )  # fmt: skip
        self._faults = Counter(
            "jobsched_store_errors_total", "Questions and changes that the store failed at.",
            ["kind", "error"], registry=own,
        )  # fmt: skip
        self._sweep = Histogram(
            "jobsched_sweep_duration_seconds", "Looks at what is due soon.", registry=own, buckets=SWEEP
        )
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Prometheus sees a rise only from what was there before."""
        for outcome in OUTCOMES:
            self._dues.labels(outcome)
        for kind in KINDS.values():
            self._store.labels(kind)
            for error in ("unavailable", "fault"):
                self._faults.labels(kind, error)
        self._requests.labels(OTHER, OTHER, "503")
        self._unheard.labels(OTHER, OTHER, "503")

    # What is told.

    def know(self, tasks: Iterable[str]) -> None:
        """These tasks are in the catalog: their counters start at 0, so that the first failure shows too."""
        for task in tasks:
            for state in ENDED:
                self._child(self._runs, self._task(task), state)

    def begun(self, run: Run, instant: datetime) -> None:
        """A run was started here. A caller's has no due that it could be late for, and a retry is late on purpose."""
        if run.cause == "schedule":
            late = (instant - run.due).total_seconds()
            self._child(self._lateness, self._task(run.task)).observe(max(late, 0.0))

    def ended(self, runs: Sequence[Run]) -> None:
        """These runs have their outcome. A due is counted once, by its first attempt."""
        for run in runs:
            task = self._task(run.task)
            self._child(self._runs, task, run.state).inc()
            if run.cause == "schedule":
                self._child(self._dues, _outcome(run)).inc(run.count)
            if run.started is not None and run.ended is not None and run.state != "lost":
                took = (run.ended - run.started).total_seconds()
                self._child(self._duration, task).observe(max(took, 0.0))
            if run.output_bytes:
                self._output.inc(run.output_bytes)

    def asked(self, writes: bool, seconds: float, fault: str | None) -> None:
        """The store has answered a question or a change, or failed."""
        kind = KINDS[writes]
        self._child(self._store, kind).observe(seconds)
        if fault is not None:
            self._child(self._faults, kind, fault).inc()

    def swept(self, seconds: float) -> None:
        """The scheduler has looked ahead."""
        self._sweep.observe(seconds)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request on that route, which stands with its variables unfilled, has its answer."""
        self._child(self._requests, method, route, str(status)).inc()
        self._child(self._answering, method, route).observe(seconds)

    def unheard(self, method: str, route: str, status: int) -> None:
        """A write is done or refused, and nobody hears of it."""
        self._child(self._unheard, method, route, str(status)).inc()

    def _task(self, name: str) -> str:
        if name in self._tasks:
            return name
        if len(self._tasks) >= MOST_TASKS:
            return OTHER
        self._tasks.add(name)
        return name

    def _child(self, metric: M, *labels: str) -> M:
        """The metric with those labels; to look it up here takes a third of what `labels` does."""
        key = (metric._name, *labels)
        child: M | None = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    async def exposition(self, facts: Facts, turn: Callable[[], Awaitable[object]]) -> bytes:
        """All of it as text. A hundred tasks take some 20 ms; `turn` lets others have theirs in between."""
        text = []
        for family in chain(_families(facts), self._registry.collect()):
            text.append(generate_latest(_One(family)))
            if len(family.samples) > MANY:
                await turn()
        for begin in range(0, len(facts.infos), MANY):
            family_text = generate_latest(_One(_infos(facts.labels, facts.infos[begin : begin + MANY])))
            text.append(family_text if begin == 0 else _without_head(family_text))
            await turn()
        return b"".join(text)


def _infos(names: Sequence[str], infos: Iterable[JobInfo]) -> Metric:
    family = GaugeMetricFamily(
        "jobsched_job_info", "Labels of jobs, of the names in METRICS_LABELS.",
        labels=["job_id", "task", *map(metric_name, names)],
    )  # fmt: skip
    for each in infos:
        family.add_metric([each.id, each.task, *(each.labels.get(name, "") for name in names)], 1)
    return family


def _without_head(text: bytes) -> bytes:
    """A family's lines without what is said of it."""
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"#"))


@attrs.frozen
class _One:
    """A family by itself, where a registry is wanted."""

    family: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.family


def _outcome(run: Run) -> str:
    """What became of the due of a run that has ended."""
    if run.state in OF_DUES:
        return run.state
    return "cancelled" if run.started is None else "ran"


def _families(facts: Facts) -> Iterator[Metric]:
    """How things stand, what is known of it."""
    build = GaugeMetricFamily("jobsched_build_info", "What runs here.", labels=["version", "python"])
    build.add_metric([facts.version, python_version()], 1)
    yield build
    for name, (means, value) in _numbers(facts).items():
        if value is not None:
            yield GaugeMetricFamily(f"jobsched_{name}", means, value=float(value))
    yield CounterMetricFamily("jobsched_claims_tried", "Dues that this node asked for.", value=facts.tried)
    yield CounterMetricFamily("jobsched_claims_won", "Dues of these that it got to decide.", value=facts.won)
    if facts.counts is not None:
        yield _states("jobsched_jobs", "Jobs in the store, by state.", facts.counts.jobs)
        yield _states("jobsched_deliveries", "Notifications in the store, by state.", facts.counts.deliveries)


def _numbers(facts: Facts) -> dict[str, tuple[str, float | None]]:
    counts = facts.counts
    return {
        "uptime_seconds": ("Since this daemon began.", facts.uptime),
        "threads": ("Threads of this daemon.", facts.threads),
        "ready": ("1 while /health/ready answers 200.", facts.ready),
        "store_up": ("1 while the store answers.", facts.store_up),
        "runs_running": ("Runs that are being executed here.", facts.running),
        "slots": ("Runs that may be executed here at once.", facts.slots),
        "runs_waiting": ("Runs in the store that wait.", None if counts is None else counts.waiting),
        "jobs_overdue": ("Jobs in the store that are overdue.", None if counts is None else counts.overdue),
        "nodes_alive": ("Nodes that live, as this one knows; itself among them.", facts.nodes_alive),
        "fenced": ("1 while this node may start nothing, for others may take it for dead.", facts.fenced),
        "lease_seconds": ("The lease that this node goes by.", facts.lease),
        "lease_remaining_seconds": ("Until this node has to end its runs, without a heartbeat.", facts.lease_remaining),
        "sweep_age_seconds": ("Since the scheduler looked at what is due soon.", facts.sweep_age),
        "catalog_sound": ("1 if the catalog could be read when it was read last.", facts.catalog_sound),
        "tokens_sound": ("1 if tokens.cfg could be read when it was read last.", facts.tokens_sound),
        "http_connections": ("Connections that are open.", facts.connections),
    }


def _states(name: str, means: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, means, labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    return family
