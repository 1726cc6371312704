"""Whether the daemon can do its work: asked every few seconds by those who watch it, so it must cost little."""

import re

import pytest

from jobsched.model.caller import ANYBODY, NOBODY
from jobsched.model.errors import Unavailable
from jobsched.rest.catalog import Catalog
from jobsched.rest.site import site
from tests.unit.rest.conftest import Reactor, ask


def asked(front):
    """What the database is asked when somebody asks for the health."""
    statements = []

    def watched(function, *arguments):
        def look(connection):
            database = connection.connection.driver_connection
            database.set_trace_callback(statements.append)
            try:
                return function(connection, *arguments)
            finally:
                database.set_trace_callback(None)

        return read(look)

    read, front.store.read = front.store.read, watched
    try:
        assert front.get("/health").json["status"] == "ok"
    finally:
        front.store.read = read
    return [statement for statement in statements if "FROM" in statement]


def test_health_tells_the_version(front):
    answer = front.get("/health")

    assert (answer.status, list(answer.json)) == (200, ["status", "version"])
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", answer.json["version"])


def test_health_looks_at_one_job_however_many_there_are(front):
    (statement,) = asked(front)

    assert re.match(r"SELECT 1 .*\bFROM jobs\b.* LIMIT 1\b", statement, re.DOTALL)


@pytest.mark.parametrize(
    ("caller", "told"), [(ANYBODY, "db.example is gone"), (NOBODY, "the store cannot be used now")]
)
def test_who_did_not_say_who_he_is_is_not_told_where_the_store_is(caller, told):
    class Door:
        async def healthy(self):
            raise Unavailable("db.example is gone")

    routes = [route for route in Catalog(Door(), None, None).routes() if route.path == "/health"]
    answer = ask(site(routes, Reactor(), admit=lambda _request, _need: caller), "GET", "/health")
    assert answer.problem[:2] == (503, told)
