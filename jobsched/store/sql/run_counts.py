"""How many runs there are of each state, hour by hour: read from one index, but for what it does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from sqlalchemy import func, select

from ...model.run import RunFilter
from ...model.run_counts import MOST_RUNS, MOST_STRETCHES, Stretch, Tally
from .hints import by_index
from .queries import must_be_known
from .run_pages import conditions
from .tables import runs
from .transaction import Transaction


def tally(transaction: Transaction, only: RunFilter, edges: Sequence[datetime]) -> Tally:
    """As `contract.Runs.counts` has it. An hour is a question of its own: each reads a part of the index that does not
    grow with the record, and none begins when there was too much already."""
    every = [condition for _, condition in conditions(transaction, only)]
    dialect = transaction.dialect.name
    single, looked_at = [], 0
    for begin, end in pairwise(edges):
        within = (runs.c.due >= begin, runs.c.due < end, runs.c.until.is_(None))
        query = select(runs.c.state, func.count()).where(*within, *every).group_by(runs.c.state)
        if only.job_id is None:
            query = by_index(query, runs, "runs_due", dialect)
        found = {row[0]: row[1] for row in transaction.execute(query)}
        single.append(found)
        looked_at += sum(found.values())
        if looked_at > MOST_RUNS:
            return Tally(more=True)
    stretches = (
        select(runs.c.state, runs.c.due, runs.c.until, runs.c.count)
        .where(runs.c.until >= edges[0], runs.c.due < edges[-1], *every)
        .limit(MOST_STRETCHES + 1)
    )
    if only.job_id is None:
        stretches = by_index(stretches, runs, "runs_until", dialect)
    whole = [Stretch(**row._mapping) for row in transaction.execute(stretches)]
    if only.job_id is not None and not whole and not looked_at:
        must_be_known(transaction, only.job_id, only.tasks)
    if len(whole) > MOST_STRETCHES:
        return Tally(more=True)
    return Tally(single=single, stretches=whole)
