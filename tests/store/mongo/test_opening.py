"""Opening a database of MongoDB: what is made there, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobsched.model.errors import BadStore
from jobsched.store.mongo import schema
from jobsched.store.mongo.client import connect, database
from tests.ports import free_port
from tests.servers import Server

pytestmark = pytest.mark.mongodb


def test_a_database_can_be_opened_again_and_again(url: str) -> None:
    for _ in range(2):
        schema.migrate(url)
    with connect(url) as client:
        place = database(client)
        assert {"nodes", "deliveries", "changes", "runs", "settings"} <= set(place.list_collection_names())
        assert place.settings.find_one({"_id": "schema"}) == {"_id": "schema", "value": len(schema.STEPS)}
        assert place.runs.index_information()["one_each"]["unique"]


def test_what_was_dropped_is_made_again(url: str) -> None:
    schema.migrate(url)
    with connect(url) as client:
        place = database(client)
        before = {name: place[name].index_information() for name in place.list_collection_names()}
        place.runs.drop_index("one_each")
        place.jobs.drop_indexes()
        place.audit.drop()
        schema.migrate(url)
        assert {name: place[name].index_information() for name in place.list_collection_names()} == before


def test_one_of_a_newer_release_is_refused(url: str) -> None:
    schema.migrate(url)
    with connect(url) as client:
        database(client).settings.update_one({"_id": "schema"}, {"$set": {"value": 99}})
    with pytest.raises(BadStore, match=r"was made by a newer Jobsched \(schema 99\)"):
        schema.migrate(url)


def test_what_another_program_stored_is_left_alone(url: str) -> None:
    with connect(url) as client:
        database(client).jobs.insert_one({"_id": "theirs"})
    with pytest.raises(BadStore, match="has a collection `jobs` that Jobsched did not make; name another database"):
        schema.migrate(url)


def test_a_standalone_server_is_refused_with_what_to_do(running: Callable[[str], Server]) -> None:
    with pytest.raises(BadStore, match=r"has no transactions; start mongod with --replSet and run rs\.initiate\(\)"):
        schema.migrate(running("standalone mongodb").url("alone"))


def test_where_there_is_no_server_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobsched.store.mongo.client.PATIENCE", 1)
    with pytest.raises(BadStore, match=r"mongodb://ann:\*\*\*@.*/jobs cannot be opened: .*refused"):
        schema.migrate(f"mongodb://ann:secret@127.0.0.1:{free_port()}/jobs")
