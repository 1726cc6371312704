"""Whether the daemon can do its work: asked every few seconds by those who watch it, so it must cost little."""

import re


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
