"""`jobsched jobs`: the list of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from ..client import PAGE, Json
from ..find import JOB, TASK, fits, short
from ..output import Column
from ..session import Session, pass_session
from ..watch import watching
from ..words import may_need, needs, result, state, when

FIELDS = (
    "id,name,task,state,paused,paused_until,overdue,next_due,last_run,recent,cron,at,interval_seconds,timezone,"
    "median_duration,labels,owner,active"
)


@click.command("jobs")
@click.argument("glob", required=False, type=JOB)
@click.option("--failing", is_flag=True, help="Jobs that somebody has to look at.")
@click.option("--paused", is_flag=True, help="Jobs that are paused.")
@click.option("--overdue", is_flag=True, help="Jobs that are overdue.")
@click.option("--task", type=TASK, help="Jobs of this task.")
@click.option("--label", multiple=True, metavar="NAME[=VALUE]", help="Jobs with this label.")
@click.option("-q", "--find", metavar="WORDS", help="Jobs with these words in name, description, task or labels.")
@click.option(
    "--sort",
    default="attention",
    help="attention, name, next_due, last_ended, when, took, task, state or created; -name.",
)
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@click.option("-w", "--watch", is_flag=True, help="Go on showing the list, whenever something changes.")
@pass_session
def jobs_command(session: Session, /, watch: bool, **asked: object) -> int | None:
    """List jobs, those first that need you; GLOB is of ids or names, such as 'batch-*'."""
    return watching(session, watch, ("job", "run"), lambda: show(session, asked))


def show(session: Session, asked: dict[str, object]) -> None:
    """One look at the list."""
    out = session.out
    query = {
        "task": asked["task"],
        "state": "paused" if asked["paused"] else None,
        "overdue": True if asked["overdue"] else None,
        "label": list(asked["label"]) or None if isinstance(asked["label"], tuple) else None,
        "q": asked["find"],
        "sort": asked["sort"],
        "fields": FIELDS if out.people and not session.given.get("curl") else None,
    }
    out.rows(
        _wanted(session, query, asked),
        columns(session),
        empty="no job is so" if any(value for name, value in asked.items() if name != "sort") else NONE,
    )


NONE = "no jobs yet; make one: jobsched add NAME --task TASK --every 5m"


def _wanted(session: Session, query: dict[str, object], asked: dict[str, object]) -> Iterator[Json]:
    glob, limit = asked["glob"], asked["limit"]
    sifted = bool(glob or asked["failing"])
    most = limit if isinstance(limit, int) else None
    shown = 0
    failing = bool(asked["failing"]) and asked["sort"] == "attention"
    for job in session.client.pages("/jobs", query, most=None if sifted else most, page=50 if failing else PAGE):
        if failing and not may_need(job):
            return  # those that need somebody come first
        bad = needs(job)
        if (glob and not fits(job, str(glob))) or (asked["failing"] and not bad):
            continue
        yield job
        shown += 1
        if most is not None and shown >= most:
            return


def columns(session: Session) -> Sequence[Column]:
    """How jobs are listed."""
    times = session.times
    return (
        Column("NEXT", lambda job: _next(job, times.short(job["next_due"])), keep=7,
               full=lambda job: times.full(job["next_due"])),
        Column("LEFT", lambda job: _left(session, job), keep=3, right=True),
        Column("LAST", lambda job: times.short((job["last_run"] or {}).get("due")), keep=4,
               full=lambda job: times.full((job["last_run"] or {}).get("due"))),
        Column("RESULT", lambda job: "overdue" if job["overdue"] else result(job), keep=8, styled=True),
        Column("NAME", lambda job: str(job["name"]), keep=None, cut=True),
        Column("WHEN", when, keep=5, cut=True),
        Column("TASK", lambda job: str(job["task"]), keep=2),
        Column("STATE", state, wide=True, styled=True),
        Column("OWNER", lambda job: str(job["owner"] or "-"), wide=True),
        Column("LABELS", _labels, wide=True),
        Column("ID", lambda job: short(job["id"]), wide=True, full=lambda job: str(job["id"])),
    )  # fmt: skip


def _left(session: Session, job: Json) -> str:
    return "-" if job["paused"] else session.times.away(job["next_due"]).removeprefix("in ")


def _next(job: Json, text: str) -> str:
    return "paused" if job["state"] == "paused" else text


def _labels(job: Json) -> str:
    return ",".join(f"{name}={value}" for name, value in job["labels"].items()) or "-"
