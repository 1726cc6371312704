"""What is forgotten after its time, as the contract has it: each method is one function of this package."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from twisted.internet.defer import Deferred

from ..contract import retention as contract
from ..contract.retention import RetentionPass
from . import audit, changes, deliveries, nodes, prune, retention_turns
from .transaction import Noun


class Retention(Noun, contract.Retention):
    def take_turn(self, now: datetime, keep: int, every: timedelta) -> Deferred[RetentionPass | None]:
        return self._in.write(retention_turns.take, now, keep, every)

    def end_turn(self, this_pass: RetentionPass, keep: int) -> Deferred[None]:
        return self._in.write(retention_turns.end, this_pass, keep)

    def new_runs(self, since: datetime) -> Deferred[dict[str, int]]:
        return self._in.read(retention_turns.new_runs, since)

    def counts(self, job_ids: Sequence[str]) -> Deferred[dict[str, int]]:
        return self._in.read(retention_turns.counts, job_ids)

    def larger(self, job_ids: Sequence[str]) -> Deferred[dict[str, int]]:
        return self._in.read(prune.larger, job_ids)

    def crowded(self, most: int) -> Deferred[list[str]]:
        return self._in.read(prune.crowded, most)

    def forget_runs_before(self, before: datetime, most: int) -> Deferred[list[str]]:
        return self._in.write(prune.old, before, most)

    def forget_runs_beyond(self, job_id: str, keep: int, most: int, ran: bool, now: datetime) -> Deferred[list[str]]:
        return self._in.write(prune.beyond, job_id, keep, most, ran, now)

    def forget_entries(self, before: datetime, most: int) -> Deferred[int]:
        return self._in.write(audit.forget, before, most)

    def forget_deliveries(self, before: datetime, most: int) -> Deferred[int]:
        return self._in.write(deliveries.forget, before, most)

    def forget_changes(self, before: datetime, most: int) -> Deferred[int]:
        return self._in.write(changes.forget, before, most)

    def forget_keys(self, now: datetime) -> Deferred[None]:
        return self._in.write(prune.old_keys, now)

    def forget_nodes(self, now: datetime) -> Deferred[None]:
        return self._in.write(nodes.forget, now)

    def unknown(self, run_ids: Sequence[str]) -> Deferred[list[str]]:
        return self._in.read(prune.unknown, run_ids)
