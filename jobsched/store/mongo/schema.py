"""Bringing a database to the schema of this version, before anything is served.

What MongoDB calls a schema is its collections and their indexes. Each step makes what is not there yet and can be made
again, so that two nodes that start at the same moment do no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from pymongo.errors import CollectionInvalid, PyMongoError

from ...model.errors import BadStore
from .change_stream import prepare
from .client import Place, connect, database, must_have_transactions
from .db_errors import words
from .job_keys import KEYS
from .url import make_url_safe

Keys = list[tuple[str, int]]

VERSION: Final = "schema"  # the document of `settings` that holds the number of steps made


def migrate(url: str) -> None:
    """Create or upgrade what is stored at `url`. Raises BadStore if the database cannot be opened, has no transactions,
    is another program's, or was made by a newer Jobsched."""
    client = connect(url)
    name = make_url_safe(url)
    try:
        place = database(client)
        must_have_transactions(client, name)
        _upgrade(place, name)
    except PyMongoError as why:
        raise BadStore(f"store: {name} cannot be opened: {words(why)}") from why
    finally:
        client.close()


def _upgrade(place: Place, name: str) -> None:
    strange = place.jobs.find_one({}) is not None  # asked first: another node may be about to make ours
    stored = place.settings.find_one({"_id": VERSION}) or {"value": 0}
    found = int(stored["value"])
    if found > len(STEPS):
        raise BadStore(
            f"store: {name} was made by a newer Jobsched (schema {found}); upgrade this one, or give it another store"
        )
    if strange and not found:
        raise BadStore(f"store: {name} has a collection `jobs` that Jobsched did not make; name another database")
    for number, step in enumerate(STEPS, 1):  # all: what somebody dropped, or did not put back, is made again
        step(place)
        if number > found:
            place.settings.update_one({"_id": VERSION}, {"$max": {"value": number}}, upsert=True)


def _collection(place: Place, name: str, **indexes: Keys) -> None:
    """A collection, made before any transaction needs it, with these indexes."""
    with suppress(CollectionInvalid):  # it is there
        place.create_collection(name)
    for index, keys in indexes.items():
        place[name].create_index(keys, name=index)


def _first(place: Place) -> None:
    """Nodes, notifications, changes, runs with their tails, uses of tokens, and settings."""
    _collection(place, "settings")
    _collection(place, "nodes", by_state=[("state", 1)], by_since=[("since", -1), ("_id", 1)])
    _collection(place, "deliveries", by_time=[("state", 1), ("not_before", 1), ("_id", 1)])
    _collection(place, "changes", by_number=[("number", 1), ("_id", 1)])
    _collection(place, "tails")
    _collection(place, "token_uses", by_use=[("used", 1)])
    _collection(place, "runs", by_node=[("node_id", 1), ("state", 1)], by_state=[("state", 1), ("not_before", 1)])
    unique: dict[str, Any] = {"name": "one_each", "unique": True}
    place.runs.create_index([("job_id", 1), ("due", 1), ("attempt", 1), ("place", 1)], **unique)


def _jobs(place: Place) -> None:
    """Jobs with their runs, and what orders on them leave: keys, entries, the hold."""
    _collection(
        place, "jobs", by_next_due=[("paused", 1), ("next_due", 1), ("_id", 1)], by_task=[("task", 1)],
    )  # fmt: skip
    place.runs.create_index([("job_id", 1), ("_id", 1)], name="by_job")
    _collection(place, "hold")
    _collection(place, "former_jobs", by_deleted=[("deleted", 1)])
    _collection(place, "keys", by_created=[("created", 1)])
    _collection(
        place, "audit", by_target=[("target", 1), ("_id", 1)], by_job=[("job_id", 1), ("_id", 1)],
        by_group=[("group", 1), ("_id", 1)],
    )  # fmt: skip


def _news(place: Place) -> None:
    """What nodes tell each other: see `change_stream`."""
    prepare(place)


def _keys(place: Place) -> None:
    """The keys of jobs."""
    _collection(place, KEYS, by_job=[("job_id", 1), ("_id", 1)])


STEPS: Final[tuple[Callable[[Place], None], ...]] = (_first, _jobs, _news, _keys)
