"""Fills a store before a daemon starts, through the store's own functions: quicker than any caller is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from daemon import ROOT, Daemon, load

sys.path.insert(0, str(ROOT))  # a checkout need not be installed; who imports this module can import jobsched

from jobsched.model.job import Job
from jobsched.model.run import Run
from jobsched.store.sql import engine, schema
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.transaction import Transaction

T = TypeVar("T")
SHARE = 5_000  # rows in one statement


def fill(daemon: Daemon, jobs: Iterable[Job], runs: Iterable[Run] = ()) -> None:
    """Store jobs and runs where the daemon keeps them unless it is told otherwise."""
    daemon.state.mkdir(mode=0o700)
    put(f"sqlite:///{daemon.state / 'jobsched.sqlite'}", jobs, runs)


def put(url: str, jobs: Iterable[Job], runs: Iterable[Run] = ()) -> None:
    """Store jobs and runs in one transaction."""
    begun = time.perf_counter()
    schema.migrate(url)
    opened = engine.connect(url)
    made, ran = 0, 0
    with engine.writing(opened).begin() as connection:
        for some in _shares(jobs):
            job_rows.add(Transaction(connection), some)
            made += len(some)
        for few in _shares(runs):
            run_rows.insert_all(Transaction(connection), few)
            ran += len(few)
    opened.dispose()
    print(f"{made} jobs and {ran} runs put into the store in {time.perf_counter() - begun:.1f} s; {load()}")


def _shares(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while some := list(islice(left, SHARE)):
        yield some
