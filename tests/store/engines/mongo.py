"""MongoDB for the tests of the contract, as far as its store is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast

import attrs
import pytest
from pymongo.errors import BulkWriteError
from twisted.internet.defer import Deferred

from jobsched.events import Events
from jobsched.model.delivery import Delivery
from jobsched.model.job import Job
from jobsched.model.node import Node
from jobsched.model.run import Run, Tail
from jobsched.store.contract import store as contract
from jobsched.store.mongo import nodes, runs, schema, transaction
from jobsched.store.mongo.client import connect, database
from jobsched.store.mongo.documents import Document, from_document, span_to_number, to_document
from jobsched.store.mongo.store import Store
from jobsched.store.mongo.transaction import Transaction
from tests.fakes import InlinePool, StillReactor
from tests.store.bench import Bench
from tests.unit.scheduler.world import done

# The tests of the contract that can be asked so far, by module: what they need is there. The list only grows.
READY: Final[Mapping[str, frozenset[str]]] = {
    "test_changes": frozenset({
        "test_a_node_is_told_when_it_comes_and_when_it_goes",
        "test_before_there_is_any",
    }),
    "test_claims": frozenset({"test_a_second_run_of_one_due_and_attempt_is_refused"}),
    "test_deliveries": frozenset({
        "test_a_full_place_does_not_hide_the_others",
        "test_the_end_of_an_attempt_leaves_the_lease_of_a_newer_one",
        "test_the_oldest_are_taken_and_no_place_gets_too_many",
        "test_what_came_of_an_attempt_is_written_unless_it_is_over",
        "test_what_is_taken_is_ones_own_for_the_time_of_the_lease",
    }),
    "test_lease": frozenset({
        "test_a_delivery_is_waited_for_while_the_store_may_be_away",
        "test_a_value_beyond_the_limits_is_taken_as_the_limit",
        "test_after_all_were_killed_and_are_silent_it_does_too",
        "test_after_all_were_stopped_the_next_start_sets_another",
        "test_one_in_the_place_of_a_killed_one_is_not_kept_by_it",
        "test_one_that_a_daemon_has_the_place_of_holds_nobody_up",
        "test_restarted_one_by_one_the_last_sets_what_all_ask_for",
        "test_the_first_that_starts_says_it_and_later_ones_follow",
        "test_what_a_backup_lost_is_said_again",
        "test_when_it_was_seen_is_told_as_it_was",
        "test_while_one_lives_that_knows_no_other_it_is_10_s_for_all",
        "test_who_was_away_and_comes_back_changes_nothing",
    }),
    "test_nodes": frozenset({
        "test_a_heartbeat_hears_which_runs_are_to_be_ended",
        "test_a_heartbeat_renews_and_tells_how_the_node_is",
        "test_nodes_are_listed_those_that_began_last_first",
        "test_one_that_joins_lives_from_now_on_as_it_said_of_itself",
        "test_one_that_leaves_is_stopped_from_now_on",
        "test_who_was_not_seen_for_a_week_is_forgotten",
    }),
    "test_runs": frozenset({
        "test_a_run_comes_out_as_it_was_put_in",
        "test_left_behind_is_what_others_started_and_did_not_end",
        "test_of_what_waits_the_soonest_that_is_not_ripe_is_named",
        "test_on_a_shared_database_the_daemon_before_left_it_here",
        "test_what_a_first_schema_daemon_left_is_known_by_its_name",
    }),
    "test_token_uses": frozenset({
        "test_a_use_is_written_once_a_minute_on_all_nodes",
        "test_tokens_of_long_ago_are_forgotten",
    }),
    "test_tails": frozenset({
        "test_a_second_one_of_the_same_run_takes_its_place",
        "test_a_tail_comes_back_as_it_was_saved_every_byte_of_it",
    }),
}  # fmt: skip


@attrs.frozen
class MongoBench:
    """Reads and writes the documents. What needs a noun that is not there yet is not there either."""

    store: Store

    def add_jobs(self, new: Iterable[Job]) -> None:
        """Notifications are asked without their jobs so far: there is no noun yet that would read a job."""

    def add_runs(self, new: Iterable[Run]) -> None:
        self._insert("runs", [to_document(each) for each in new])

    def replace_run(self, run: Run) -> None:
        self._replace("runs", to_document(run))

    def forget_runs(self, run_ids: Iterable[str]) -> None:
        done(self.store.write(lambda change: change.delete("runs", {"_id": {"$in": list(run_ids)}})))

    def add_tails(self, new: Iterable[Tail]) -> None:
        done(self.store.write(runs.save_tails, new))

    def runs(self) -> list[Run]:
        return sorted((from_document(Run, each) for each in self._all("runs")), key=lambda run: (run.due, run.id))

    def add_nodes(self, new: Iterable[Node]) -> None:
        self._insert("nodes", [to_document(each) for each in new])

    def replace_node(self, node: Node) -> None:
        self._replace("nodes", to_document(node))

    def lease(self) -> timedelta | None:
        kept: timedelta | None = done(self.store.read(nodes.agreed_lease))
        return kept

    def set_lease(self, lease: timedelta | None) -> None:
        done(self.store.write(lambda change: change.delete("settings", {"_id": nodes.LEASE})))
        if lease is not None:
            self._insert("settings", [{"_id": nodes.LEASE, "value": span_to_number(lease)}])

    def add_deliveries(self, new: Iterable[Delivery]) -> None:
        self._insert("deliveries", [to_document(each) for each in new])

    def replace_delivery(self, delivery: Delivery) -> None:
        self._replace("deliveries", to_document(delivery))

    def nodes(self) -> list[Node]:
        return [from_document(Node, each) for each in self._all("nodes")]

    def deliveries(self) -> list[Delivery]:
        return [from_document(Delivery, each) for each in self._all("deliveries")]

    def now(self, fallback: datetime) -> datetime:
        told: datetime = done(self.store.read(Transaction.now, fallback))
        return told

    def _insert(self, name: str, documents: list[Document]) -> None:
        done(self.store.write(lambda change: change.insert(name, documents)))

    def _replace(self, name: str, document: Document) -> None:
        done(self.store.write(lambda change: change.update(name, {"_id": document["_id"]}, document)))

    def _all(self, name: str) -> list[Document]:
        asked: Deferred[list[Document]] = self.store.read(lambda question: question.find(name, {}, [("_id", 1)]))
        found: list[Document] = done(asked)
        return found


@attrs.frozen
class MongoEngine:
    """A server that speaks MongoDB's protocol."""

    refusal: type[Exception] = BulkWriteError

    def migrate(self, url: str) -> None:
        schema.migrate(url)

    def clear(self, url: str) -> None:
        client = connect(url)
        place = database(client, url)
        for name in place.list_collection_names():
            place[name].delete_many({"_id": {"$ne": schema.VERSION}})
        client.close()

    def believe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transaction, "_HAS_CLOCK", [False])

    def open(self, url: str, events: Events, everyone: str | None) -> tuple[contract.Store, Bench]:
        pool = cast(Any, InlinePool)  # a fake
        store = Store(cast(Any, StillReactor()), url, pool, events=events, everyone=everyone)
        store.startService()
        return cast(Any, store), cast(Any, MongoBench(store))  # not whole: see READY
