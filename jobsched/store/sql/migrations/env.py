"""Where alembic meets the connection that `store/sql/schema.py` hands over."""

from __future__ import annotations

from alembic import context

from jobsched.store.sql import changes, job_keys, staging_tables, token_uses  # noqa: F401  # they have tables of their own
from jobsched.store.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="jobsched_version",
)
context.run_migrations()
