"""What `jobsched.verify` reads of tables: piece by piece, and also where a constraint is gone."""

from __future__ import annotations

import re

import attrs
import pytest
from sqlalchemy import text

from jobsched import verify
from jobsched.store.sql import verify as survey
from tests.store.record import MINUTE, Record, a_job, a_run
from tests.store.sql.desk import SqlDesk


@pytest.fixture
def record(desk: SqlDesk, store_url: str) -> Record:
    return Record.of(desk, store_url)


DROP = {
    "postgresql": "ALTER TABLE runs DROP CONSTRAINT runs_once_a_place",
    "mysql": "ALTER TABLE runs DROP INDEX runs_once_a_place",
}


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_a_double_start_that_the_database_let_pass_is_found(new_url: str, kind: str) -> None:
    desk = SqlDesk.at(new_url)
    record = Record.of(desk, new_url)
    desk.write(lambda transaction: transaction.execute(text(DROP[kind])))
    record.desk.insert(attrs.evolve(record.runs[3], id="again"))
    [said] = record.found()
    desk.close()
    ids = f"({record.runs[3].id}|again)"
    assert re.search(f"run {ids}: attempt 1 at .* is there twice, also as {ids}, and was started twice", said)


def test_jobs_and_runs_are_read_piece_by_piece(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "JOBS", 2)
    monkeypatch.setattr(survey, "RUNS", 3)
    one, *_, last = record.jobs
    strays = [attrs.evolve(a_run(one, record.now - MINUTE), job_id=f"{name[:-1]}~") for name in (one.id, last.id, "0.")]
    record.desk.insert(*(attrs.evolve(run, state="waiting", started=None) for run in strays))
    quiet = attrs.evolve(a_job("quiet", record.now), id="zz", next_due=record.now + MINUTE)
    record.desk.add(quiet)
    verdict = verify.Verdict()
    assert [str(fault) for fault in verify.verify(record.url, whole=True, verdict=verdict)] == []
    assert (verdict.jobs, verdict.runs) == (4 + 3 + 1, 40 + 3 + 3)
    for run in record.runs[5:40:10]:
        record.forget(run)
    assert len(record.found()) == 4
