"""The tables of what lets callers in: the keys of jobs, and when tokens were used."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from .column_types import Instant, Words
from .tables import jobs, metadata

job_keys = Table(  # since 0005, as all here
    "job_keys",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("job_id", jobs.c.id.type, nullable=False),
    Column("job_created", Instant, nullable=False),  # of that job: a later one of the same id is another
    Column("by", Words(255)),
    Column("at", Instant, nullable=False),
    Column("last", Words(8), nullable=False),
    Column("hash", Words(64), nullable=False),
    Index("job_keys_of_job", "job_id", "id"),
)

token_uses = Table(
    "token_uses", metadata, Column("fingerprint", Words(16), primary_key=True), Column("used", Instant, nullable=False)
)
