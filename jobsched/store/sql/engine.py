"""Opening the database: what each kind of database needs to keep the promise.

Nothing here costs a question per transaction, except on MySQL, where transactions that read must be marked.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import closing

import attrs
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from ...clock import elapsed
from ...model.errors import BadStore
from . import db_errors, hints, server_support
from .db_errors import make_url_safe

BUSY_SECONDS = 10  # how long to wait for a lock that another transaction holds
STATEMENT_SECONDS = 20  # how long the database may work at one statement
ANSWER_SECONDS = 25  # how long to wait for any answer; after that, the connection is lost
CONNECT_SECONDS = 5
SILENT_SECONDS = 10  # how long to wait for a host that takes no packet
IDLE_SECONDS = 10  # how long a node that was frozen in mid-transaction may keep others from its rows
AGE_SECONDS = 1800  # age at which a connection is replaced, less up to a quarter: not all at the same moment

logging.getLogger("psycopg").setLevel(logging.ERROR)  # it tells of each connection that broke; so do we


class _InOneLine(logging.Filter):
    """SQLAlchemy's pool logs a connection that broke with a traceback and at level ERROR. One line is enough: the
    transaction that was under way fails, and says so."""

    def filter(self, record: logging.LogRecord) -> bool:
        why = record.exc_info[1] if record.exc_info else None
        if isinstance(why, Exception):
            record.name, record.levelno, record.levelname = __name__, logging.WARNING, "WARNING"
            record.msg, record.args = "a connection to the store broke off: %s", (db_errors.line(why),)
            record.exc_info = record.exc_text = None
        return True


logging.getLogger("sqlalchemy.pool.impl.QueuePool").addFilter(_InOneLine())

DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
SQLITE = {  # settings of each connection
    "busy_timeout": BUSY_SECONDS * 1000,
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "foreign_keys": "ON",
    "cache_size": -1000,
}
EXTRAS = {"postgresql+psycopg": "postgresql", "mysql+pymysql": "mysql"}


@attrs.frozen(kw_only=True)
class Waits:
    """For how many seconds to wait for what. None: without limit."""

    lock: int | None
    statement: int | None
    answer: int | None
    connect: int
    silence: int  # of the network

    @classmethod
    def of(cls, patient: bool, prompt: int | None) -> Waits:
        """The waits of a patient engine, of an engine that is to know soon, or of any other."""
        if patient:
            return cls(lock=None, statement=None, answer=None, connect=CONNECT_SECONDS, silence=SILENT_SECONDS)
        most = STATEMENT_SECONDS if prompt is None else prompt
        return cls(
            lock=min(BUSY_SECONDS, most),
            statement=min(STATEMENT_SECONDS, most),
            answer=ANSWER_SECONDS if prompt is None else min(ANSWER_SECONDS, prompt + 1),
            connect=min(CONNECT_SECONDS, most),
            silence=min(SILENT_SECONDS, most),
        )


def connect(url: str, *, patient: bool = False, prompt: int | None = None) -> Engine:
    """An engine for `url`; nothing is opened yet. Raises BadStore if the URL cannot be used.

    A patient engine lets the database work at a statement, and wait for a lock, without limit. An engine with `prompt`
    waits that many seconds for anything, and then tries another connection.
    """
    target = _parsed(url)
    kind = target.get_backend_name()
    given, tame = _KINDS[kind]
    waits = Waits.of(patient, prompt)
    arguments = {name: value for name, value in given(waits).items() if name not in target.query}
    try:
        engine = create_engine(
            target, pool_size=12, max_overflow=4, pool_use_lifo=True, connect_args=arguments,
            hide_parameters=True,  # of statements, from errors and so from the log: those of jobs are among them
        )  # fmt: skip
    except ImportError as why:
        extra = EXTRAS[target.drivername]
        raise BadStore(f"store: {make_url_safe(url)} needs a driver: pip install 'jobsched[{extra}]' ({why})") from why
    except ArgumentError as why:
        raise BadStore(f"store: {make_url_safe(url)} cannot be used: {why}") from why
    tame(engine, waits)
    if kind != "sqlite":
        _follow_the_address(engine)
    return engine


def reading(engine: Engine) -> Engine:
    """The same engine, for transactions that only read, each in one view of the database."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine.execution_options(writes=False)


def writing(engine: Engine) -> Engine:
    """The same engine, for transactions that write: each statement sees what was committed before it."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="READ COMMITTED")
    return engine.execution_options(writes=True)


def _follow_the_address(engine: Engine) -> None:
    """After a failover, an address may lead to another server. A connection that finds its server read-only is not used
    again, nor are older connections. No connection is used for ever."""

    @event.listens_for(engine, "connect")
    def made(_raw: object, record: ConnectionPoolEntry) -> None:
        record.info["until"] = end_of_use()

    @event.listens_for(engine, "checkout")
    def taken(_raw: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        if elapsed() > record.info["until"]:
            raise DisconnectionError("it is old enough")

    @event.listens_for(engine, "handle_error")
    def failed(context: ExceptionContext) -> None:
        asked = context.connection
        if asked is not None and asked.get_execution_options().get("postgresql_readonly"):
            return  # we have asked for it ourselves
        if db_errors.is_read_only(engine.url, context.original_exception):
            context.is_disconnect = True


def end_of_use(chance: Callable[[], float] = random.random) -> float:
    """The end of use, in elapsed seconds, of a connection that is made now."""
    return elapsed() + AGE_SECONDS * (1 - chance() / 4)


def _parsed(url: str) -> URL:
    """`url` with the driver that we ship with. Messages do not quote it: any part of it may belong to a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise BadStore("store: not a URL; a password's special characters are written as %XX") from None
    driver = DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise BadStore(
            f"store: {make_url_safe(url)}: must begin with sqlite, postgresql+psycopg, mysql+pymysql or mongodb"
        )
    return parsed.set(drivername=driver)


def _for_sqlite(_waits: Waits) -> dict[str, object]:
    """Few prepared statements for each connection, and few pages (below).

    As measured, more is no faster, because the kernel has the file in memory too. And memory that one thread frees is
    not always used by the others, so that it is needed once for each thread.
    """
    return {"cached_statements": 32}


def _tame_sqlite(engine: Engine, _waits: Waits) -> None:
    """WAL, so that readers never wait; FULL, so that an answer outlives a power cut; and our own BEGIN.

    A transaction that will write says so at once (`IMMEDIATE`). If it began as a reader, it could fail half way.
    """
    hints.allow(engine)

    @event.listens_for(engine, "connect")
    def prepare(raw: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        raw.isolation_level = None
        for name, value in SQLITE.items():
            raw.execute(f"PRAGMA {name}={value}")
        raw.create_function("lower", 1, str.lower, deterministic=True)  # SQLite's own knows ASCII alone

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _for_postgresql(waits: Waits) -> dict[str, object]:
    """A host that is gone is noticed: by keepalives while we wait for the host, by unanswered packets while we send."""
    return {
        "application_name": "jobsched",
        "client_encoding": "utf8",
        "connect_timeout": waits.connect,
        "keepalives": 1,
        "keepalives_idle": max(waits.silence // 2 - 1, 1),
        "keepalives_interval": max(waits.silence // 5, 1),
        "keepalives_count": 3,
        "tcp_user_timeout": waits.silence * 1000,
    }


def _tame_postgresql(engine: Engine, waits: Waits) -> None:
    """Limits, and a commit that is on disk. No start-up options are used: poolers like PgBouncer refuse them."""
    limits = {
        "lock_timeout": waits.lock or 0,
        "statement_timeout": waits.statement or 0,
        "idle_in_transaction_session_timeout": IDLE_SECONDS if waits.statement else 0,
    }
    statements = "".join(f"SET {name} = '{seconds}s'; " for name, seconds in limits.items())
    statements += "SET jit = off; "  # to compile a question takes longer than to answer any of ours
    # A server that is set to wait for its standbys too goes on doing so.
    statements += (
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )

    @event.listens_for(engine, "connect", insert=True)  # SQLAlchemy asks for a version next, and can make nothing of it
    def recognise(raw: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        if raw.info.parameter_status("crdb_version"):
            raw.close()
            raise BadStore(f"store: {make_url_safe(engine.url)} {server_support.COCKROACH}")

    @event.listens_for(engine, "connect")
    def prepare(raw: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        raw.execute(statements)
        raw.commit()

    @event.listens_for(engine, "checkin")
    def returned(raw: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Make the connection ready for the next transaction. After a transaction that only reads, the driver would
        insist on writing where the server does not allow it, and a standby would refuse that in words that explain
        nothing. A transaction that reads from a standby finds nothing wrong. So each time, the connection is asked
        whether its server is a standby (PostgreSQL 14 and newer tell)."""
        if raw is None:
            return
        if raw.info.parameter_status("in_hot_standby") == "on":
            record.invalidate()
        elif raw.read_only is False:
            raw.read_only = None


def _for_mysql(waits: Waits) -> dict[str, object]:
    answer = {} if waits.answer is None else {"read_timeout": waits.answer, "write_timeout": waits.answer}
    return {"charset": "utf8mb4", "connect_timeout": waits.connect, **answer}


def _tame_mysql(engine: Engine, waits: Waits) -> None:
    """Strict, so that a text that is too long is an error and not cut; limits, as far as MariaDB or MySQL have them.

    Both accept the kind of a transaction only before it begins. So a transaction that reads says so first.
    """
    settings = "group_concat_max_len=1048576, "  # MySQL's default is less than the runs of a job need
    settings += "sql_mode='STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION', time_zone='+00:00'"
    if waits.statement:
        settings += (
            f", innodb_lock_wait_timeout={waits.lock}"
            f" /*M!100300 , max_statement_time={waits.statement}, idle_transaction_timeout={IDLE_SECONDS} */"
            f" /*!80000 , max_execution_time={waits.statement * 1000} */"
        )
    statements = ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", f"SET SESSION {settings}")

    @event.listens_for(engine, "connect")
    def prepare(raw: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        with closing(raw.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)
            cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
            found = cursor.fetchone()
            if found is not None and found[1] == "ON":
                cursor.execute("SET SESSION wsrep_sync_wait=7")  # after a failover: what was committed is seen

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("writes", False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


_KINDS: dict[str, tuple[Callable[[Waits], dict[str, object]], Callable[[Engine, Waits], None]]] = {
    "sqlite": (_for_sqlite, _tame_sqlite),
    "postgresql": (_for_postgresql, _tame_postgresql),
    "mysql": (_for_mysql, _tame_mysql),
}
