"""Opening a database: it gets our tables, exactly those, or is refused in words."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from jobsched.model.errors import BadStore, Unavailable
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import queries
from jobsched.store.sql.engine import connect, reading, writing
from jobsched.store.sql.schema import migrate
from jobsched.store.sql.tables import metadata
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import job
from tests.store.sql.desk import SqlDesk, job_count

sqlite_only = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


@pytest.fixture
def opened(new_url: str) -> Iterator[Engine]:
    engine = connect(new_url)
    yield engine
    engine.dispose()


def pragma(transaction: Transaction, name: str) -> object:
    return transaction.execute(text(f"PRAGMA {name}")).scalar()


def test_a_database_answers_once_it_has_our_tables(empty_url: str) -> None:
    engine = connect(empty_url)
    with pytest.raises(SQLAlchemyError), reading(engine).begin() as connection:
        queries.answers(Transaction(connection))
    migrate(empty_url)
    with reading(engine).begin() as connection:
        queries.answers(Transaction(connection))
    engine.dispose()


def test_a_new_file_is_its_owners_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    fresh, kept = tmp_path / "fresh.sqlite", tmp_path / "kept.sqlite"
    kept.touch()
    kept.chmod(0o640)
    before = os.umask(0)
    try:
        for path in (fresh, kept):
            migrate(f"sqlite:///{path}")
        engine = connect(f"sqlite:///{fresh}")
        with writing(engine).begin() as connection:
            assert job_count(Transaction(connection)) == 0
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert modes == {"kept.sqlite": 0o640} | {f"fresh.sqlite{end}": 0o600 for end in ("", "-wal", "-shm")}


def test_the_migrated_schema_is_the_one_the_program_uses(opened: Engine) -> None:
    with opened.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": "jobsched_version"}
        )
        differences = compare_metadata(context, metadata)
    assert [each for each in differences if "jobsched_version" not in str(each)] == []


def test_the_tables_are_ours_and_no_others(opened: Engine) -> None:
    assert set(inspect(opened).get_table_names()) == {*metadata.tables, "jobsched_version"}


def test_migrating_twice_changes_nothing(new_url: str) -> None:
    desk = SqlDesk.at(new_url)
    one = job()
    desk.add(one)
    desk.close()
    migrate(new_url)
    migrate(new_url)
    desk = SqlDesk.at(new_url)
    assert desk.read(job_rows.page, 9) == [one]
    desk.close()


def test_a_database_of_a_newer_version_is_refused_in_words(new_url: str) -> None:
    engine = connect(new_url)
    with writing(engine).begin() as connection:
        connection.execute(text("UPDATE jobsched_version SET version_num = '9999'"))
    with pytest.raises(BadStore, match=r"^store: .* was made by a newer Jobsched \(schema 9999\); ") as refusal:
        migrate(new_url)
    assert "\n" not in str(refusal.value)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM jobsched_version")).scalar() == "9999"
    engine.dispose()


@pytest.mark.parametrize("content", [b"This is no database.\n" * 100, b"\0" * 4096])
def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "jobsched.sqlite"
    path.write_bytes(content)
    with pytest.raises(BadStore, match=r"^store: sqlite:///.* cannot be opened: file is not a database$"):
        migrate(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadStore, match=r"^store: sqlite:///.* cannot be opened: unable to open database file$"):
        migrate(f"sqlite:///{tmp_path}/nowhere/jobsched.sqlite")


@sqlite_only
def test_readers_never_wait_and_an_answer_outlives_a_power_cut(new_url: str) -> None:
    desk = SqlDesk.at(new_url)
    assert desk.read(pragma, "journal_mode") == "wal"
    assert desk.read(pragma, "synchronous") == 2
    assert desk.write(pragma, "synchronous") == 2
    desk.close()


@sqlite_only
def test_a_reader_sees_one_state_while_another_writes(new_url: str) -> None:
    reader, writer = SqlDesk.at(new_url), SqlDesk.at(new_url)

    def twice(transaction: Transaction) -> tuple[int, int]:
        before = job_count(transaction)
        writer.add(job())
        return before, job_count(transaction)

    assert reader.read(twice) == (0, 0)
    assert reader.read(job_count) == 1
    reader.close()
    writer.close()


def test_a_change_that_fails_leaves_nothing(new_url: str) -> None:
    desk = SqlDesk.at(new_url)

    def half(transaction: Transaction) -> None:
        job_rows.add(transaction, [job()])
        raise LookupError("half way")

    with pytest.raises(LookupError, match="half way"):
        desk.write(half)
    assert desk.read(job_count) == 0
    desk.add(job())
    assert desk.read(job_count) == 1
    desk.close()


@sqlite_only
def test_a_full_disk_is_told_and_nothing_is_half_done(new_url: str) -> None:
    desk = SqlDesk.at(new_url)
    desk.add(job())

    def fill(transaction: Transaction) -> None:
        pages = pragma(transaction, "page_count")
        transaction.execute(text(f"PRAGMA max_page_count = {pages}"))
        job_rows.add(transaction, [job(name="x" * 250) for _ in range(500)])

    with pytest.raises(Unavailable, match=r"^the store cannot be used now: database or disk is full \(make room"):
        desk.write(fill)
    assert desk.read(job_count) == 1
    desk.close()
    desk = SqlDesk.at(new_url)
    desk.add(job())
    assert desk.read(job_count) == 2
    desk.close()


@sqlite_only
def test_a_database_that_somebody_else_keeps_locked_is_told(new_url: str) -> None:
    desk = SqlDesk.at(new_url)
    desk.write(pragma, "busy_timeout = 50")
    other = sqlite3.connect(new_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match=r"^the store cannot be used now: database is locked \(another"):
        desk.add(job())
    assert desk.read(job_count) == 0, "readers go on"
    other.execute("ROLLBACK")
    desk.add(job())
    assert desk.read(job_count) == 1
    other.close()
    desk.close()
