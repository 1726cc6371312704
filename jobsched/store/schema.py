"""Bringing a database to the schema of this version, before anything is served."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ..model.errors import BadStore
from .engine import connect, make_url_safe

logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each look at the database

HERE = Path(__file__).parent / "migrations"


def migrate(url: str) -> None:
    """Create or upgrade the tables at `url`.

    Raises BadStore when it cannot be opened, or was made by a newer Jobsched. The engine is gone afterwards:
    twistd may fork between this and the first question.
    """
    engine = connect(url)
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            _upgrade(connection, make_url_safe(url))
    except SQLAlchemyError as why:
        raise BadStore(f"store: {make_url_safe(url)} cannot be opened: {getattr(why, 'orig', None) or why}") from why
    finally:
        engine.dispose()


def _upgrade(connection: Connection, name: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    found = MigrationContext.configure(connection, opts={"version_table": "jobsched_version"}).get_current_revision()
    if found is not None and found not in known:
        raise BadStore(
            f"store: {name} was made by a newer Jobsched (schema {found}); upgrade this one, or give it another store"
        )
    command.upgrade(config, "head")
