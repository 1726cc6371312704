"""A word as the id of a job, on two nodes that share a PostgreSQL: any of them knows it, and no older node meets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from jobsched.store.sql.engine import connect, writing
from tests.servers import Server
from tests.system.caller import Caller
from tests.system.daemon import until
from tests.system.pair import Pair, pair_in

BODY = {"task": "few", "interval": {"hours": 1}, "require": {"role": "worker"}}
OLDER = (
    "INSERT INTO nodes (id, name, tasks, version, since, seen, state, running, slots, tried, won)"
    " SELECT 'older', 'older', '[]', '0.1.0', since, seen, 'alive', 0, 0, 0, 0 FROM nodes WHERE name = 'front'"
)


@pytest.fixture
def pair(tmp_path: Path, running: Callable[[str], Server]) -> Iterator[Pair]:
    with pair_in(tmp_path, running("postgresql"), lease=10) as one:
        one.start()
        yield one


def test_a_word_is_its_job_on_every_node_and_when_one_dies(pair: Pair) -> None:
    worker = Caller(pair.worker)
    assert pair.ask.ask("PUT", "/jobs/nightly", BODY).status == 201
    assert worker.get("/jobs/nightly") == pair.ask.get("/jobs/nightly")
    run = pair.ask.run("/jobs/nightly")
    found = pair.ask.ended(run)
    assert (found["job_id"], found["node"], found["state"]) == ("nightly", "worker", "succeeded")
    assert pair.output(run).text == "one\ntwo\nthree\n"
    assert worker.ask("PUT", "/jobs/nightly", BODY).status == 200
    assert [each["id"] for each in worker.get("/runs?job=nightly")["values"]] == [found["id"]]
    pair.worker.kill()
    assert pair.output(run, "?tail=2").text == "two\nthree\n", "from the tail in the store"
    assert pair.ask.ask("DELETE", "/jobs/nightly").status == 200
    assert pair.ask.ask("PUT", "/jobs/nightly", BODY).json["version"] == 2


def test_words_are_refused_while_an_older_node_is_alive(pair: Pair) -> None:
    """The row of a daemon of schema 0004: it leaves NULL what it does not know."""
    store = pair.front.folder / "conf" / "jobsched.cfg"
    url = [line for line in store.read_text().splitlines() if line.startswith("SCHED_CONFIG")][-1].split("'")[3]
    engine = connect(url)
    with writing(engine).begin() as connection:
        connection.execute(text(OLDER))
    refused = pair.ask.ask("PUT", "/jobs/nightly", BODY)
    assert refused.status == 409
    assert "older" in refused.json["detail"]
    assert pair.ask.ask("POST", "/jobs", BODY | {"id": "nightly"}).status == 409
    assert pair.ask.ask("POST", "/jobs", BODY | {"name": "by uuid"}).status == 202
    # It says nothing any more, and is taken for dead.
    assert until(lambda: pair.ask.ask("PUT", "/jobs/nightly", BODY).status == 201)
    engine.dispose()
