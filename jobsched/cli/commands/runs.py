"""`jobsched runs` and `jobsched ps`: what ran, and what runs."""

from __future__ import annotations

from collections.abc import Iterator

import click

from .. import find
from ..client import Client, Json, one
from ..errors import CommandError, Usage
from ..output import Column
from ..session import Session, pass_session
from ..times import whole
from ..watch import watching
from ..words import run_columns, took

USUAL = 50  # runs of a list that names no number
LINES = 32  # runs of which the last line is fetched


@click.command("runs")
@click.argument("job", required=False, type=find.JOB)
@click.option("--failing", is_flag=True, help="Runs that somebody has to look at: failed, timed_out, lost, missed.")
@click.option("--since", metavar="TIME", help="Due at this time or later: -8h, 18:00, 2026-11-28, now.")
@click.option("--until", metavar="TIME", help="Due before this time; 08:00 is the first after --since.")
@click.option("--at", metavar="TIME", help="Due in this minute: 03:00.")
@click.option("--state", metavar="A,B", help="Runs in one of these states.")
@click.option("--task", type=find.TASK, help="Runs of this task.")
@click.option("--label", multiple=True, metavar="NAME[=VALUE]", help="Runs of jobs with this label.")
@click.option("--node", metavar="NAME", help="Runs of this node.")
@click.option("--cause", type=click.Choice(["schedule", "manual", "retry"]), help="What made them.")
@click.option("-n", "--limit", type=click.IntRange(1), help=f"At most so many; {USUAL} by default, in a table.")
@click.option("-w", "--watch", is_flag=True, help="Go on showing the list, whenever something changes.")
@pass_session
def runs_command(session: Session, /, job: str | None, watch: bool, **asked: object) -> int | None:
    """List runs, newest first. A stretch of dues with one fate is one line."""
    its = None if job is None else find.job(session.client, job)
    return watching(session, watch, ("run",), lambda: _show(session, its, asked))


def _show(session: Session, job: Json | None, asked: dict[str, object]) -> None:
    out = session.out
    limit = asked["limit"] or (USUAL if out.people else None)
    begin, end = window(session, asked)
    query = {
        "failing": 1 if asked["failing"] else None, "from": begin, "to": end, "zone": session.times.name,
        "state": asked["state"], "node": asked["node"], "cause": asked["cause"],
    }  # fmt: skip
    path = "/runs"
    if job is not None:
        if asked["task"] or asked["label"]:
            raise Usage("--task and --label are for the runs of all jobs")
        path = one("jobs", str(job["id"]), "runs")
    else:
        labels = asked["label"]
        query |= {"task": asked["task"], "label": list(labels) if isinstance(labels, tuple) else None}
    found = session.client.pages(path, query, most=int(str(limit)) if limit else None)
    count = out.rows(found, run_columns(session))
    if out.people and not count:
        out.note(_nothing(session, job, asked))
    elif out.people and out.terminal and count == limit:
        out.note(f"the newest {count}; for more: -n 500, --since -8h", "dim")


def window(session: Session, asked: dict[str, object]) -> tuple[object, object]:
    """What --since, --until and --at ask for."""
    if asked["at"] is None:
        return asked["since"], asked["until"]
    if asked["since"] or asked["until"]:
        raise Usage("--at, or --since and --until")
    from ...model.errors import JobschedError
    from ...model.time_text import named
    from ..times import now

    try:
        found = named(str(asked["at"]), session.times.name, now())
    except JobschedError as why:
        raise Usage(f"--at: {why}") from why
    if not found.windows:
        raise Usage(f"--at: {found.note}")
    first, last = found.windows[0], found.windows[-1]
    return first.begin.isoformat(), last.end.isoformat()


def _nothing(session: Session, job: Json | None, asked: dict[str, object]) -> str:
    what = f"no runs of {job['name']}" if job is not None else "no runs"
    words = [f"{name} {asked[name]}" for name in ("at", "since", "until", "state", "task", "node") if asked[name]]
    text = f"{what}: {', '.join(words)}" if words else f"{what} yet" if not asked["failing"] else f"{what} fail"
    if words and words[0].startswith(("at", "since", "until")):
        text = f"{what} {', '.join(words)}"
    if job is None or not (asked["at"] or asked["since"]):
        return text
    try:
        query = {"at": asked["at"], "zone": session.times.name} if asked["at"] else None
        said = session.client.get(one("jobs", str(job["id"]), "why"), query, lookup=True)
    except CommandError:
        return text
    return f"{text}; {said['sentence']}"


@click.command("ps")
@click.option("-w", "--watch", is_flag=True, help="Go on showing the list, whenever something changes.")
@pass_session
def ps_command(session: Session, watch: bool) -> int | None:
    """What runs now and what waits: where, since when, how long it usually takes, and the last line it printed."""
    return watching(session, watch, ("run",), lambda: _running(session))


def _running(session: Session) -> None:
    times = session.times
    columns = (
        Column("STATE", lambda run: str(run["state"]), keep=5, styled=True),
        Column("JOB", lambda run: str(run["job_name"]), keep=None, cut=True),
        Column("FOR", lambda run: took(run, session), keep=8, right=True),
        Column("USUALLY", lambda run: whole(run["usually"]) if run.get("usually") else "-", keep=6, right=True),
        Column("SINCE", lambda run: times.short(run["started"]), keep=2, full=lambda run: times.full(run["started"])),
        Column("NODE", lambda run: str(run["node"] or "-"), keep=1),
        Column("PID", lambda run: str(run["pid"] or "-"), keep=1, right=True),
        Column("ID", lambda run: find.short(run["id"]), keep=4, full=lambda run: str(run["id"])),
        Column("LAST LINE", lambda run: str(run.get("last_line") or "-"), keep=3, cut=True),
    )
    session.out.rows(active(session.client), columns, empty="nothing runs, and nothing waits")


def active(client: Client, lines: bool = True) -> Iterator[Json]:
    """The runs that are active, with `usually`, the median of their job, and the `last_line` that they printed."""
    usual: dict[str, object] = {}
    for number, run in enumerate(client.pages("/runs", {"state": "running,stopping,waiting"})):
        job_id = str(run["job_id"])
        if job_id not in usual:
            usual[job_id] = (client.maybe(one("jobs", job_id)) or {}).get("median_duration")
        run["usually"] = usual[job_id]
        if "last_line" not in run and lines and number < LINES and run["started"] is not None:
            run["last_line"] = last_line(client, str(run["id"]))
        yield run


def last_line(client: Client, run_id: str) -> str:
    """The last line that a run has printed."""
    try:
        text = client.ask("GET", one("runs", run_id, "output"), query={"tail": 1}, lookup=True).content
    except CommandError:
        return ""
    return text.decode("utf-8", "replace").strip()
