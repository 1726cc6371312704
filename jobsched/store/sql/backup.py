"""The file of an SQLite store, and copies of it: made while daemons work, and looked at before one takes the place of
the store."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from ...model.errors import BadStore

PAGES = 1000  # copied at a time; writers go on in between
WAIT = 0.01  # seconds between two such steps


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite store. None: another kind of store, or a store in memory."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def copy(source: Path, target: Path) -> None:
    """Make `target`, one state of the store in the file `source`; daemons may write meanwhile. Nobody else may read it.

    Raises BadStore, and then there is no `target` if it was not there before.
    """
    if not source.is_file():
        raise BadStore(f"store: {source} is not there")
    new = target.with_name(f".{target.name}.new")
    try:
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as here, \
                closing(sqlite3.connect(new)) as there:  # fmt: skip
            here.backup(there, pages=PAGES, sleep=WAIT)
            there.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
            _insist(there, target)
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(target)
    except (OSError, sqlite3.Error) as why:
        new.unlink(missing_ok=True)
        raise BadStore(f"store: {target} cannot be made of {source}: {why}") from why


def check(file: Path) -> None:
    """Raises BadStore if a file is no sound store of Jobsched."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as there:
            _insist(there, file)
            there.execute("SELECT version_num FROM jobsched_version").fetchone()
    except sqlite3.Error as why:
        raise BadStore(f"store: {file} is no store of Jobsched: {why}") from why


def _insist(there: sqlite3.Connection, file: Path) -> None:
    [(found,), *_] = there.execute("PRAGMA integrity_check(1)").fetchall()
    if found != "ok":
        raise BadStore(f"store: {file} is damaged: {found}")
