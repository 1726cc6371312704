"""Servers that speak a language we know and cannot keep the promise: refused at the start, in one line that says why.

Galera is a real one. The others cannot be had here: what they say was recorded, and is said by fakes at the edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from sqlalchemy import text

from jobsched.model.errors import BadStore
from jobsched.store.sql import server_support
from jobsched.store.sql.claims import claim
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.schema import migrate
from jobsched.store.sql.server_support import Server, why_not
from jobsched.verify import verify
from tests.servers import Galera, started
from tests.store.samples import claimant, job
from tests.store.sql.desk import SqlDesk
from tests.wire import Answer, Recorded, Refusal

# As they speak of themselves.
COCKROACH = "CockroachDB CCL v24.3.5 (x86_64-pc-linux-gnu, built 2025/02/03 17:28:15, go1.22.8 X:nocoverageredesign)"
YUGABYTE = (
    "PostgreSQL 15.12-YB-2025.2.6.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 19.1.0 "
    "(https://github.com/yugabyte/llvm-project.git a2a6b655e14e7fa1fcf1011a6cb29cb8575249c0), 64-bit"
)
EARLIER_YUGABYTE = "PostgreSQL 11.2-YB-2024.2.4.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 17.0.6, 64-bit"
STATUS = {"server_version": "15.12", "client_encoding": "UTF8", "standard_conforming_strings": "on"}
PLAIN = {"current_schema": "public", "show transaction isolation level": "read committed", "show standard": "on"}
UNKNOWN = Refusal("42704", 'unrecognized configuration parameter "yb_effective_transaction_isolation_level"')
NO_FUNCTION = Refusal("42883", "function yb_get_effective_transaction_isolation_level() does not exist")
GROUP = {"wsrep_on": "OFF", "group_replication_group_name": "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"}

# The rule.


def server(product: str, version: str, said: str = "", **settings: str) -> Server:
    return Server(product=product, version=[int(each) for each in version.split(".")], said=said, settings=settings)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (server("PostgreSQL", "12.0"), ""),
        (server("PostgreSQL", "18.1"), ""),
        (server("PostgreSQL", "11.22"), "is PostgreSQL 11.22; 12 or newer is needed"),
        (server("PostgreSQL", "15.12", YUGABYTE, isolation="read committed", notify="on"), ""),
        (server("PostgreSQL", "15.12", YUGABYTE, isolation="repeatable read", notify="on"), "REPEATABLE READ in truth"),
        (server("PostgreSQL", "15.12", YUGABYTE, isolation="read committed", notify="off"), "yb_enable_listen_notify"),
        (server("PostgreSQL", "11.2", EARLIER_YUGABYTE), "12 or newer"),
        (server("MariaDB", "10.6.1", wsrep_on="OFF"), ""),
        (server("MariaDB", "10.5.9", wsrep_on="OFF"), "is MariaDB 10.5.9; 10.6 or newer is needed"),
        (server("MariaDB", "10.11.19", wsrep_on="ON"), "Galera"),
        (server("MySQL", "8.0.36", wsrep_on="ON"), "Galera"),
        (server("MySQL", "8.0.17"), ""),
        (server("MySQL", "8.0.16"), "is MySQL 8.0.16; 8.0.17 or newer is needed"),
        (server("MySQL", "8.4.0", **GROUP, group_replication_single_primary_mode="ON"), ""),
        (server("MySQL", "8.4.0", **GROUP, group_replication_single_primary_mode="OFF"), "several primaries"),
        (server("MySQL", "8.4.0", group_replication_group_name="", group_replication_single_primary_mode="OFF"), ""),
        (server("MySQL", "8.0.11", "8.0.11-TiDB-v8.5.6"), "TiDB"),
        (server("MySQL", "9.0.0", "9.0.0-TiDB-v8.5.6"), "TiDB"),
    ],
)
def test_what_a_server_says_of_itself_decides(found: Server, words: str) -> None:
    why = why_not(found)
    assert (words in why) if words else (why == "")


def test_a_single_writer_is_allowed_a_galera_and_nothing_else() -> None:
    assert why_not(server("MariaDB", "10.11.19", wsrep_on="ON"), galera_single_writer=True) == ""
    group = server("MySQL", "8.4.0", **GROUP, group_replication_single_primary_mode="OFF")
    assert why_not(group, galera_single_writer=True) == why_not(group) != ""


# CockroachDB and YugabyteDB, as they answer on the wire.


def refused(url: str, **how: Any) -> str:
    """Why it is, in one line, without the password."""
    with pytest.raises(BadStore) as said:
        migrate(url, **how)
    words = str(said.value)
    assert "\n" not in words
    assert "secret" not in words
    return words


def test_cockroachdb_is_refused_before_anything_is_asked_of_it() -> None:
    with Recorded(STATUS | {"server_version": "13.0.0", "crdb_version": COCKROACH}, {"version()": COCKROACH}) as fake:
        assert refused(fake.url).endswith(f"/jobs {server_support.COCKROACH}")
        with pytest.raises(BadStore, match="is CockroachDB"):
            list(verify(fake.url))
        assert fake.asked == []


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"SELECT yb_get": "repeatable read", "pg_notify": "on"}, "READ COMMITTED is REPEATABLE READ in truth"),
        (
            {"SELECT yb_get": NO_FUNCTION, "SHOW yb_eff": "repeatable read", "pg_notify": "on"},
            "READ COMMITTED is REPEATABLE READ in truth",
        ),
        ({"SELECT yb_get": NO_FUNCTION, "SHOW yb_eff": UNKNOWN, "pg_notify": "on"}, "READ COMMITTED is NOT KNOWN"),
        ({"SELECT yb_get": "read committed", "pg_notify": Refusal("0A000", "not supported yet")}, "LISTEN and NOTIFY"),
    ],
)
def test_yugabytedb_is_refused_without_what_a_claim_needs(answers: dict[str, Answer], words: str) -> None:
    with Recorded(STATUS, PLAIN | answers | {"version()": YUGABYTE}) as fake:
        assert words in refused(fake.url)
        assert not [each for each in fake.asked if "advisory" in each], "nobody's turn is taken"


def test_yugabytedb_with_read_committed_is_let_through() -> None:
    """As far as its first answer that was not recorded: the tables are looked for then."""
    answers = dict[str, Answer](PLAIN) | {"version()": YUGABYTE, "SELECT yb_get": "read committed"}
    answers |= {"pg_notify": "on", "pg_advisory_xact_lock": Refusal("57014", "as far as this goes")}
    with Recorded(STATUS, answers) as fake:
        assert refused(fake.url).endswith("cannot be opened: as far as this goes")


def test_an_earlier_yugabytedb_is_too_old() -> None:
    answers: dict[str, Answer] = {
        "SELECT yb_get": NO_FUNCTION,
        "SHOW yb_eff": "repeatable read",
        "pg_notify": Refusal("0A000", "no"),
    }
    with Recorded(STATUS, PLAIN | answers | {"version()": EARLIER_YUGABYTE}) as fake:
        assert refused(fake.url).endswith("is PostgreSQL 11.2; 12 or newer is needed")


# MySQL, as it answers what is asked.


@attrs.frozen
class Says:
    """In place of a connection to a MySQL: its dialect, and its answers."""

    version: str
    variables: dict[str, str]
    is_mariadb: bool = False
    name: str = "mysql"

    @property
    def dialect(self) -> Any:
        return self

    @property
    def server_version_info(self) -> tuple[int, ...]:
        return tuple(int(each) for each in self.version.split("-")[0].split("."))

    def execute(self, question: Any) -> Any:
        self_ = self
        asked = str(question)

        class Rows:
            def scalar_one(self) -> str:
                assert asked == "SELECT version()"
                return self_.version

            def __iter__(self) -> Iterator[tuple[str, str]]:
                assert asked.startswith("SHOW GLOBAL VARIABLES WHERE Variable_name IN")
                return iter(self_.variables.items())

        return Rows()


@pytest.mark.parametrize(
    ("version", "variables", "words"),
    [
        ("8.4.3", {}, ""),
        ("8.4.3", GROUP | {"group_replication_single_primary_mode": "ON"}, ""),
        ("8.4.3", GROUP | {"group_replication_single_primary_mode": "OFF"}, "a group with several primaries"),
        ("8.0.36-28.1", {"wsrep_on": "ON"}, "Galera"),  # Percona's
        ("8.0.11-TiDB-v8.5.6", {}, "TiDB"),
    ],
)
def test_mysql_is_asked_for_its_neighbours(version: str, variables: dict[str, str], words: str) -> None:
    why = why_not(server_support.look(Says(version, variables)))  # type: ignore[arg-type]  # a fake
    assert (words in why) if words else (why == "")


# A real Galera.


@pytest.fixture(scope="module")
def galera() -> Iterator[Galera]:
    server = started("galera")
    assert isinstance(server, Galera)
    yield server
    server.close()


def test_a_galera_is_refused_in_one_line_that_names_the_option(galera: Galera) -> None:
    words = refused(galera.create_database("refused"))
    assert "is a member of a Galera cluster, whose row locks do not hold at the other members" in words
    assert "GALERA_SINGLE_WRITER = True" in words


def test_a_galera_with_one_writer_gets_and_keeps_our_tables(galera: Galera) -> None:
    url = galera.create_database("single")
    for _ in range(2):
        migrate(url, galera_single_writer=True)
    desk = SqlDesk.at(url)
    desk.add(one := job(1))
    claimed = desk.write(claim, claimant(1), [one.id])
    assert [run.job_id for run in claimed.started] == [one.id]
    desk.ended(claimed.started[0])
    assert "succeeded" in desk.states()
    desk.close()


def test_what_was_committed_is_seen_after_a_galera_failover(galera: Galera) -> None:
    engine = connect(galera.create_database("waits"))
    with writing(engine).connect() as connection:
        assert connection.execute(text("SELECT @@SESSION.wsrep_sync_wait")).scalar_one() == 7
    engine.dispose()
