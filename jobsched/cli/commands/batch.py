"""One order on many jobs: all of it is done, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from ...model.printable import many
from .. import find
from ..client import Json
from ..errors import Refused, Usage
from ..output import Column
from ..session import Session

MOST = 200  # jobs of one order
LISTED = 10


def perform(
    session: Session, refs: Sequence[str], body: Json, word: str, *, dry_run: bool, ask: str | None = None
) -> None:
    """Order `body` for the jobs that are meant, and say how many were `word`, with their names. `ask`: what a person is
    asked first."""
    jobs = find.jobs(session.client, refs)
    if len(jobs) > MOST:
        raise Refused(f"{len(jobs)} jobs are meant; at most {MOST} are changed at once: give narrower names")
    if ask is not None:
        _ask(ask, jobs)
    selected = body | {"select": {"ids": [str(job["id"]) for job in jobs]}}
    answer = session.client.ask(
        "POST", "/jobs:batch", selected, query={"plan": 1} if dry_run else None, writes=not dry_run
    )
    parts = answer.json["values"]
    session.out.one({"values": parts}, lambda: _tell(session, parts, word, dry_run))


def _ask(what: str, jobs: Sequence[Json]) -> None:
    if not sys.stdin.isatty():
        raise Usage(f"nobody is there to be asked; {what} with --yes")
    names = ", ".join(str(job["name"]) for job in jobs[:LISTED]) + (" and others" if len(jobs) > LISTED else "")
    count = many(len(jobs), "job")
    click.confirm(f"{what} {count}: {names}?", abort=True, err=True)


def _tell(session: Session, parts: Sequence[Json], word: str, dry_run: bool) -> None:
    count = sum(part["result"] not in ("unchanged", "refused", "stale") for part in parts)
    would = "would be " if dry_run else ""
    session.out.show(
        f"{count} of {len(parts)} {would}{word}" if count != len(parts) else f"{count} {would}{word}", "bold"
    )
    times = session.times
    columns = (
        Column("NAME", lambda part: f"  {part['name'] or part['id']}", keep=None, cut=True),
        Column("RESULT", lambda part: str(part["result"])),
        Column("NEXT", lambda part: times.short(part["next_due"]), full=lambda part: times.full(part["next_due"])),
        Column("DETAIL", lambda part: str(part["detail"] or ""), cut=True),
    )
    session.out.rows(parts, columns)
