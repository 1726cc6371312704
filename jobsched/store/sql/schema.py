"""Bringing a database to the schema of this version, before anything is served."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ...model.errors import BadStore
from . import db_errors, server_support
from .db_errors import make_url_safe
from .engine import connect, writing

logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each look at the database

HERE = Path(__file__).parent / "migrations"
TRIES = 9  # of an upgrade that the database undid for a deadlock
TURN_SECONDS = 600  # how long to wait while another node migrates
TURN = 0x6A6F62736368  # "jobsch": what we call our turn on PostgreSQL, where it needs a number


def migrate(url: str, *, galera_single_writer: bool = False) -> None:
    """Create or upgrade the tables at `url`.

    Raises BadStore if the database cannot be opened, cannot keep the promise, or was made by a newer Jobsched. The
    engine is closed afterwards: twistd may fork between this call and the first question.
    """
    engine = connect(url, patient=True)
    name = make_url_safe(url)
    _keep_to_ourselves(engine)
    try:
        with _turn(engine, name, galera_single_writer):
            _insist(engine, name)
    except SQLAlchemyError as why:
        raise BadStore(f"store: {name} cannot be opened: {db_errors.words(engine.url, why)}") from why
    finally:
        engine.dispose()


def _keep_to_ourselves(engine: Engine) -> None:
    """Make a file of SQLite that does not exist yet, readable for its owner alone, whatever the folder: secret
    parameters are stored in it. SQLite gives the files that it puts beside it the same mode."""
    path = engine.url.database
    if engine.dialect.name == "sqlite" and path and not path.startswith((":", "file:")):
        with suppress(OSError):  # it is there; or it cannot be made, which SQLite tells
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        if os.path.exists(path) and not os.path.isfile(path):  # a link to a file is its operator's
            raise BadStore(f"store: {path} is not a plain file")


@contextmanager
def _turn(engine: Engine, name: str, galera_single_writer: bool) -> Iterator[None]:
    """Hold the one turn to migrate this database: several nodes may be started at the same moment.

    The turn has a connection of its own, and ends with it: on MySQL each CREATE ends a transaction. The number of a
    turn belongs to the database on PostgreSQL, its name to the server on MySQL. The transaction of SQLite is a turn by
    itself.
    """
    if engine.dialect.name == "sqlite":
        yield
        return
    with engine.connect() as connection:
        why = server_support.why_not(server_support.look(connection), galera_single_writer=galera_single_writer)
        if why:
            raise BadStore(f"store: {name} {why}")
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET lock_timeout = '{TURN_SECONDS}s'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({TURN})"))
            yield
            return
        turn = "CONCAT('jobsched ', MD5(DATABASE()))"
        if connection.execute(text(f"SELECT GET_LOCK({turn}, {TURN_SECONDS})")).scalar() != 1:
            raise BadStore(f"store: {name} is being upgraded by another node, which does not come to an end")
        try:
            yield
        finally:
            connection.execute(text(f"DO RELEASE_LOCK({turn})"))


def _insist(engine: Engine, name: str) -> None:
    """Upgrade; again, a few times, where a daemon that works meanwhile got in the way. What was done is undone first,
    or is not done again."""
    tries = TRIES
    while True:
        try:
            with writing(engine).connect() as connection, connection.begin():
                _upgrade(connection, name)
        except DBAPIError as why:
            tries -= 1
            if not tries or not db_errors.undone(engine.url, why):
                raise
        else:
            return


def _upgrade(connection: Connection, name: str) -> None:
    """By alembic, which is imported only if there is anything to do: a seventh of what a start takes."""
    known = {path.name[1:5] for path in (HERE / "versions").glob("r*.py")}
    found = _found(connection)
    if found == max(known):
        return
    if found is not None and found not in known:
        raise BadStore(
            f"store: {name} was made by a newer Jobsched (schema {found}); upgrade this one, or give it another store"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _found(connection: Connection) -> str | None:
    """The schema of the database, as alembic keeps it. None: it has no tables yet."""
    if not inspect(connection).has_table("jobsched_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM jobsched_version")).scalar()
    return found
