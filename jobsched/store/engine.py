"""Opening the database: what each kind needs to keep the promise."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from ..model.errors import BadStore

BUSY_MILLISECONDS = 10_000


def connect(url: str) -> Engine:
    """An engine for `url`; nothing is opened yet. Raises BadStore for a URL that cannot be followed."""
    try:
        engine = create_engine(url, pool_size=8, max_overflow=8)
    except (ArgumentError, ImportError) as why:
        raise BadStore(f"store: {make_url_safe(url)} cannot be used: {why}") from why
    if engine.dialect.name == "sqlite":
        _tame_sqlite(engine)
    return engine


def make_url_safe(url: str) -> str:
    """`url` without its password, for messages."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "the given URL"


def _tame_sqlite(engine: Engine) -> None:
    """WAL so that readers never wait, FULL so that an answer outlives a power cut, and our own BEGIN.

    A transaction that will write says so at once (`IMMEDIATE`): one that finds out later can fail half way.
    """

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _record: ConnectionPoolEntry) -> None:
        raw.isolation_level = None
        for pragma in (
            f"busy_timeout={BUSY_MILLISECONDS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-16000",
        ):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
