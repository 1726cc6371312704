"""The nouns of the contract on SQL: each method is one function of this package, in one transaction.

`store/contract` has their conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from twisted.internet.defer import Deferred

from ...model.audit import AuditFilter, Entry
from ...model.change import Change, Numbers
from ...model.claim import Claimant, Claimed
from ...model.delivery import Attempt, Delivery
from ...model.downtime import Downtime, DowntimeCost
from ...model.hold import Hold
from ...model.ids import Ids
from ...model.job import Due, JobFilter, JobView
from ...model.membership import Heartbeat, Joined, MembershipSnapshot
from ...model.node import Node
from ...model.order import Issued, Order, Performed
from ...model.overdue import OverdueChange
from ...model.page import Page
from ...model.run import Run, RunFilter, Tail
from ...model.run_counts import Tally
from ...model.upcoming import Planned, PlannedFilter
from ...model.wrong_clock import Evidence
from ..contract import deliveries as delivery_contract
from ..contract import history as history_contract
from ..contract import jobs as job_contract
from ..contract import nodes as node_contract
from ..contract import orders as order_contract
from ..contract import runs as run_contract
from . import (
    audit,
    changes,
    claims,
    dead_nodes,
    deliveries,
    downtimes,
    holds,
    jobs,
    nodes,
    orders,
    overdue,
    overdue_queries,
    queries,
    run_counts,
    runs,
    settling,
    tails,
    wrong_clock,
)
from .transaction import Noun

T = TypeVar("T")


class Jobs(Noun, job_contract.Jobs):
    def page(self, limit: int, after: str, only: JobFilter, room: int, now: datetime) -> Deferred[Page[JobView]]:
        return self._in.read(queries.jobs, limit, after, only, room, now)

    def named(self, text: str, tasks: tuple[str, ...] | None) -> Deferred[str]:
        return self._in.read(queries.job_named, text, tasks)

    def get(self, job_id: str, now: datetime) -> Deferred[JobView]:
        return self._in.read(queries.job, job_id, now)

    def some(self, job_ids: Sequence[str], now: datetime) -> Deferred[list[JobView]]:
        return self._in.read(queries.some_jobs, job_ids, now)

    def due_before(
        self, instant: datetime, most: int, after: Due | None, now: datetime | None = None
    ) -> Deferred[list[Due]]:
        return self._in.read(jobs.due_before, instant, most, after, now)

    def dues_of(self, job_ids: Iterable[str]) -> Deferred[list[Due]]:
        return self._in.read(jobs.dues_of, job_ids)

    def planned(self, only: PlannedFilter, most: int) -> Deferred[list[Planned]]:
        return self._in.read(jobs.planned, only, most)

    def next_pause_end(self, now: datetime) -> Deferred[datetime | None]:
        return self._in.read(settling.next_pause_end, now)

    def end_pauses(self, now: datetime, most: int, ids: Ids, asker: str) -> Deferred[int]:
        return self._in.write(settling.end_pauses, now, most, ids, asker)


class Claims(Noun, job_contract.Claims):
    def claim(self, claimant: Claimant, job_ids: Sequence[str]) -> Deferred[Claimed]:
        return self._in.write(claims.claim, claimant, job_ids)

    def waiting(self, now: datetime) -> Deferred[tuple[bool, datetime | None]]:
        return self._in.read(runs.waiting, now)

    def started_by(self, node_id: str) -> Deferred[list[Run]]:
        return self._in.read(runs.started_by, node_id)


class Runs(Noun, run_contract.Runs):
    def page(self, limit: int, before: str | None, only: RunFilter) -> Deferred[list[Run]]:
        return self._in.read(queries.runs, limit, before, only)

    def counts(self, only: RunFilter, edges: Sequence[datetime]) -> Deferred[Tally]:
        return self._in.read(run_counts.tally, only, edges)

    def get(self, run_id: str) -> Deferred[Run]:
        return self._in.read(queries.run, run_id)

    def some(self, run_ids: Sequence[str]) -> Deferred[list[Run]]:
        return self._in.read(runs.some, run_ids)

    def tail(self, run_id: str) -> Deferred[Tail | None]:
        return self._in.read(tails.get, run_id)

    def record(
        self, executed: Sequence[Run], ids: Ids, chance: Callable[[], float], read_tail: Callable[[str], Tail | None]
    ) -> Deferred[bool]:
        return self._in.write(tails.record, executed, ids, chance, read_tail)

    def give_up(self, run: Run, *, notify: bool = True) -> Deferred[bool]:
        return self._in.write(runs.give_up, run, notify=notify)

    def left_behind(self, node_id: str) -> Deferred[list[Run]]:
        return self._in.read(runs.left_behind, node_id)

    def adopt(self, run_ids: Sequence[str], node_id: str, previous: Sequence[str] | None) -> Deferred[list[Run]]:
        return self._in.write(runs.adopt, run_ids, node_id, previous)

    def left_here(self, previous: Sequence[str], name: str) -> Deferred[list[Run]]:
        return self._in.read(runs.left_here, previous, name)

    def stops(self, node_id: str) -> Deferred[tuple[tuple[str, str], ...]]:
        return self._in.read(nodes.stops, node_id)


class Holds(Noun, job_contract.Holds):
    def current(self, now: datetime) -> Deferred[Hold | None]:
        return self._in.read(holds.current, now)


class Orders(Noun, order_contract.Orders):
    def perform(self, order: Order[T], issued: Issued) -> Deferred[Performed[T]]:
        return self._in.write(orders.perform, order, issued)


class AuditEntries(Noun, order_contract.AuditEntries):
    def page(self, limit: int, before: str | None, only: AuditFilter, room: int) -> Deferred[Page[Entry]]:
        return self._in.read(audit.fitting, limit, before, only, room)


class Nodes(Noun, node_contract.Nodes):
    def join(self, node: Node, known: Sequence[str], gone: Sequence[str] | None) -> Deferred[Joined]:
        return self._in.write(nodes.join, node, known, gone)

    def beat(self, heartbeat: Heartbeat, now: datetime) -> Deferred[MembershipSnapshot]:
        return self._in.write(nodes.beat, heartbeat, now)

    def leave(self, node_id: str, now: datetime) -> Deferred[None]:
        return self._in.write(nodes.leave, node_id, now)

    def declare_dead(
        self, known: Sequence[str], silent: Sequence[str] | None, reason: str, ids: Ids, chance: Callable[[], float],
        now: datetime, only: Sequence[str] | None,
    ) -> Deferred[list[Run]]:  # fmt: skip
        return self._in.write(dead_nodes.declare_dead, known, reason, ids, chance, now, silent=silent, only=only)

    def left_alone(self, now: datetime) -> Deferred[list[Run]]:
        return self._in.read(dead_nodes.left_alone, now)

    def every(self) -> Deferred[list[Node]]:
        return self._in.read(nodes.every)

    def get(self, node_id: str) -> Deferred[Node | None]:
        return self._in.read(nodes.get, node_id)


class SignsOfLife(Noun, node_contract.SignsOfLife):
    def begin(self, node: Node) -> Deferred[datetime | None]:
        return self._in.write(downtimes.begin_signs, node)

    def end(self, node_id: str, now: datetime) -> Deferred[None]:
        return self._in.write(downtimes.give_sign, node_id, now, "stopped")

    def give(self) -> Deferred[None]:
        return self._in.write(lambda _: None)


class Deliveries(Noun, delivery_contract.Deliveries):
    def soonest(self, full: Sequence[str], only: Sequence[str] | None) -> Deferred[datetime | None]:
        return self._in.read(deliveries.soonest, full, only)

    def take(
        self, now: datetime, most: int, of_one: int, busy: Mapping[str, int], only: Sequence[str] | None
    ) -> Deferred[list[Delivery]]:
        return self._in.write(deliveries.take, now, most, of_one, busy, only)

    def settle(self, attempts: Sequence[Attempt]) -> Deferred[None]:
        return self._in.write(deliveries.settle, attempts)

    def of_run(self, run_id: str, limit: int, before: str | None) -> Deferred[tuple[str, list[Delivery]]]:
        return self._in.read(deliveries.of_run, run_id, limit, before)

    def of_job(
        self, job_id: str, limit: int, before: str | None, tasks: tuple[str, ...] | None
    ) -> Deferred[list[Delivery]]:
        return self._in.read(deliveries.of_job, job_id, limit, before, tasks)


class Changes(Noun, history_contract.Changes):
    def number(self, most: int) -> Deferred[int]:
        return self._in.write(changes.number, most)

    def after(self, number: int, most: int) -> Deferred[tuple[Sequence[Change], bool]]:
        return self._in.read(changes.after, number, most)

    def numbers(self) -> Deferred[Numbers]:
        return self._in.read(changes.numbers)


class Overdue(Noun, job_contract.Overdue):
    def watched(self, most: int, now: datetime) -> Deferred[list[str]]:
        return self._in.read(overdue_queries.watched, most, now)

    def recovered(self, most: int, now: datetime) -> Deferred[list[str]]:
        return self._in.read(overdue_queries.recovered, most, now)

    def settle(self, job_ids: Sequence[str], now: datetime) -> Deferred[list[OverdueChange]]:
        return self._in.write(overdue.settle, job_ids, now)


class Downtimes(Noun, history_contract.Downtimes):
    def before(self, node_id: str) -> Deferred[Downtime | None]:
        return self._in.read(downtimes.before, node_id)

    def cost(self, until: datetime) -> Deferred[DowntimeCost]:
        return self._in.read(downtimes.cost, until)


class WrongClock(Noun, history_contract.WrongClock):
    def evidence(self, now: datetime) -> Deferred[Evidence]:
        return self._in.read(wrong_clock.evidence, now)

    def jobs_ahead(self, now: datetime, after: str, most: int) -> Deferred[tuple[list[str], str | None]]:
        return self._in.read(wrong_clock.jobs_ahead, now, after, most)

    def put_right(self, job_ids: Sequence[str], now: datetime) -> Deferred[int]:
        return self._in.write(wrong_clock.put_right, job_ids, now)

    def rest(self, now: datetime) -> Deferred[None]:
        return self._in.write(wrong_clock.rest, now)
