"""The tables of what is staged: rows as they will be in `jobs`, `job_labels` and `audit`, each under the id of its set.

A column that is added to one of those is added here too, and in the migration.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table

from .column_types import Instant, Words
from .tables import audit, job_labels, jobs, metadata


def _as_in(table: Table, *but: str) -> list[Column[object]]:
    return [Column(column.name, column.type) for column in table.columns if column.name not in but]


staged_jobs = Table(  # since 0005, as all here
    "staged_jobs",
    metadata,
    Column("set_id", Words(36), primary_key=True),
    Column("id", jobs.c.id.type, primary_key=True),
    Column("what", Words(8), nullable=False),
    Column("moves", Boolean, nullable=False),  # another rule, or another number of runs
    Column("anew", Boolean, nullable=False),  # watched from now on for being overdue
    Column("relabel", Boolean, nullable=False),  # its labels are others, or none is to be left
    Column("was_version", Integer),  # as it was when this was computed; of one that is made: of the last of its id
    Column("was_due", Instant),
    Column("was_starts", Integer),
    *_as_in(jobs, "id", "succeeded", "failing"),
)

staged_labels = Table(
    "staged_labels",
    metadata,
    Column("set_id", Words(36), primary_key=True),
    Column("job_id", job_labels.c.job_id.type, primary_key=True),
    Column("name", Words(63), primary_key=True),
    Column("value", Words(63), nullable=False),
)

staged_entries = Table(
    "staged_entries",
    metadata,
    Column("set_id", Words(36), primary_key=True),
    Column("id", Words(36), primary_key=True),
    *_as_in(audit, "id"),
    Index("staged_entries_target", "set_id", "target"),
)
