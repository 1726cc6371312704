"""`jobsched next` and `jobsched preview`: what will be due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import click

from .. import find
from ..client import Client, Json
from ..errors import Usage
from ..output import Column
from ..session import Session, pass_session
from ..times import span
from ..watch import watching

USUAL = 50
TICK = timedelta(milliseconds=1)


@click.command("next")
@click.option("--until", metavar="TIME", help="Before this time: 06:00, 2026-12-01. A day from now, by default.")
@click.option("--from", "since", metavar="TIME", help="At this time or later: 02:00. Now, by default.")
@click.option("--task", type=find.TASK, help="Of jobs of this task.")
@click.option("--label", multiple=True, metavar="NAME[=VALUE]", help="Of jobs with this label.")
@click.option("-n", "--limit", type=click.IntRange(1), help=f"At most so many; {USUAL} by default, in a table.")
@click.option("-w", "--watch", is_flag=True, help="Go on showing the list, whenever something changes.")
@pass_session
def next_command(session: Session, /, watch: bool, **asked: object) -> int | None:
    """What will be due, soonest first, with what a change of clocks does to it."""
    return watching(session, watch, ("job",), lambda: _show(session, asked))


def _show(session: Session, asked: dict[str, object]) -> None:
    out, times = session.out, session.times
    labels = asked["label"]
    query = {
        "from": asked["since"], "to": asked["until"], "zone": times.name, "task": asked["task"],
        "label": list(labels) if isinstance(labels, tuple) else None,
    }  # fmt: skip
    columns = (
        Column("DUE", lambda due: times.short(due["due"]), keep=None, full=lambda due: times.full(due["due"])),
        Column("LEFT", lambda due: times.away(due["due"]).removeprefix("in "), keep=4, right=True),
        Column("JOB", lambda due: str(due["job_name"]), keep=None, cut=True),
        Column("TASK", lambda due: str(due["task"]), keep=2),
        Column("IN ITS ZONE", _local, keep=3),
        Column("NOTE", lambda due: str(due["note"] or ""), keep=1, cut=True),
    )
    limit = asked["limit"] or (USUAL if out.people else None)
    found = session.client.pages("/upcoming", query, most=int(str(limit)) if limit else None)
    count = out.rows(found, columns, empty="nothing is due then")
    if out.people and out.terminal and count == limit:
        out.note(f"the first {count}; for more: -n 500", "dim")


def _local(due: Json) -> str:
    return f"{str(due['local'])[11:16]} {due['timezone']}" if due["timezone"] != "UTC" else ""


@click.command("preview")
@click.argument("cron", required=False)
@click.option("--every", metavar="SPAN", help="An interval: 90s, 5m, 1h30m, 2d.")
@click.option("--from", "since", metavar="TIME", help="After this time; now, by default.")
@click.option("-n", "--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="So many dues.")
@pass_session
def preview_command(session: Session, cron: str | None, every: str | None, since: str | None, count: int) -> None:
    """What a schedule would do: CRON, such as '30 2 * * *', is read in --zone."""
    if (cron is None) == (every is None):
        raise Usage("give either a cron expression, in quotes, or --every")
    zone = {"timezone": session.times.name} if session.given.get("zone") or session.given.get("utc") else {}
    trigger: Json = {"cron": cron, **zone} if cron is not None else {"interval": {"seconds": span(every or "")}}
    if since is not None:
        trigger["from"] = session.times.ahead(since)
    answer = session.client.ask("POST", "/preview", trigger | {"count": count}, writes=False)
    times = session.times
    columns = (
        Column("DUE", lambda fire: times.full(fire["at"]), keep=None),
        Column("LEFT", lambda fire: times.away(fire["utc"]).removeprefix("in "), keep=1, right=True),
        Column("UTC", lambda fire: str(fire["utc"])[:19].replace("T", " "), keep=1, wide=True),
        Column("NOTE", lambda fire: str(fire["note"] or ""), keep=2, cut=True),
    )
    session.out.rows(answer.json["fires"], columns, empty="it has no due")


def trigger_of(job: Json) -> Json:
    """The schedule of a job that was read, to preview it with."""
    if job["interval_seconds"]:
        return {"interval": {"seconds": job["interval_seconds"]}, "end": job["end"]}
    return {"cron": job["cron"], "at": job["at"], "timezone": job["timezone"], "end": job["end"]}


def dues_of(client: Client, job: Json, count: int = 3) -> Sequence[Json]:
    """The next dues of a job; with a jitter, which a preview does not know, the first alone."""
    if job["next_due"] is None:
        return ()
    if job["jitter"]:
        return ({"utc": job["next_due"], "note": None},)
    from datetime import datetime

    first = datetime.fromisoformat(job["next_due"])
    asked = trigger_of(job) | {"start": job["next_due"], "from": (first - TICK).isoformat(), "count": count}
    return list(client.ask("POST", "/preview", asked, writes=False, lookup=True).json["fires"])
