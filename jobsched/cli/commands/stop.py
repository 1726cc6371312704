"""`jobsched pause`, `resume`, `hold` and `release`: stopping on purpose."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ...model.printable import many
from .. import find
from ..client import Json
from ..errors import NotThere, Refused
from ..session import Session, pass_session
from .batch import perform


@click.command("pause")
@click.argument("job", nargs=-1, required=True, type=find.JOB)
@click.option("--until", metavar="TIME", help="The pause ends by itself: 05:00, 2h, 2026-12-01T05:00.")
@click.option("--reason", metavar="TEXT", help="Why, for people.")
@click.option("--dry-run", is_flag=True, help="Say what would be, and do nothing.")
@pass_session
def pause_command(session: Session, job: Sequence[str], until: str | None, reason: str | None, dry_run: bool) -> None:
    """Pause jobs: their dues pass without a run. JOB is an id, a name or a glob such as 'batch-*'."""
    perform(session, job, {"action": "pause"} | _said(session, until, reason), "paused", dry_run=dry_run)
    if until is None and not dry_run and session.out.people:
        session.out.note("until somebody resumes them; with --until a pause ends by itself", "yellow")


@click.command("resume")
@click.argument("job", nargs=-1, required=True, type=find.JOB)
@click.option("--dry-run", is_flag=True, help="Say what would be, and do nothing.")
@pass_session
def resume_command(session: Session, job: Sequence[str], dry_run: bool) -> None:
    """Resume jobs."""
    perform(session, job, {"action": "resume"}, "resumed", dry_run=dry_run)


def _said(session: Session, until: str | None, reason: str | None) -> Json:
    body: Json = {"until": session.times.ahead(until)} if until is not None else {}
    return body | ({"reason": reason} if reason is not None else {})


@click.command("hold")
@click.argument("job", nargs=-1, type=find.JOB)
@click.option("--task", multiple=True, metavar="GLOB", help="Only jobs of these tasks.")
@click.option("--label", multiple=True, metavar="NAME[=VALUE]", help="Only jobs with this label.")
@click.option("--until", metavar="TIME", help="It ends by itself: 05:00, 2h, 2026-12-01T05:00.")
@click.option("--reason", metavar="TEXT", help="Why, for people.")
@click.option("--missed", type=click.Choice(["skip", "catch_up"]), help="What becomes of dues; skip, by default.")
@click.option("--waiting", type=click.Choice(["hold", "keep"]), help="Of what waits already; hold, by default.")
@click.option("--dry-run", is_flag=True, help="Say which jobs are meant, and do nothing.")
@pass_session
def hold_command(
    session: Session, /, job: Sequence[str], until: str | None, reason: str | None, dry_run: bool, **more: object
) -> None:
    """Let nothing start, on any node, until the hold is over; of all jobs, or of those that are named."""
    body = _said(session, until, reason)
    body |= {name: more[name] for name in ("missed", "waiting") if more[name] is not None}
    chosen = {"names": job, "tasks": more["task"], "labels": more["label"]}
    select = {name: list(values) for name, values in chosen.items() if isinstance(values, tuple) and values}
    meant = _meant(session, select)
    if select and not meant:
        raise NotThere("no job is meant by that")
    if dry_run:
        session.out.show(f"{many(len(meant), 'job')} would be on hold", "bold")
        for each in meant:
            session.out.show(f"  {each['name']}")
        return
    answer = session.client.ask("PUT", "/hold", body | ({"select": select} if select else {}))
    held = answer.json
    session.out.one(held, lambda: _tell(session, held, len(meant)))


def _meant(session: Session, select: dict[str, list[str]]) -> list[Json]:
    from fnmatch import fnmatchcase

    query = {"fields": "name,task", "label": select.get("labels")}
    globs, tasks = select.get("names", ["*"]), [glob.replace("[", "[[]") for glob in select.get("tasks", ["*"])]
    return [
        each
        for each in session.client.pages("/jobs", query, lookup=True)
        if any(find.fits(each, glob) for glob in globs) and any(fnmatchcase(str(each["task"]), glob) for glob in tasks)
    ]


def _tell(session: Session, held: Json, count: int) -> None:
    times = session.times
    until = (
        f"until {times.short(held['until'])}, {times.away(held['until'])}" if held["until"] else "until it is released"
    )
    which, reason = (
        f"{many(count, 'job')} {'is' if count == 1 else 'are'}",
        f": {held['reason']}" if held["reason"] else "",
    )
    session.out.show(f"{which} on hold {until}{reason}", "bold")
    session.out.show("what runs goes on: jobsched ps        end it: jobsched release")


@click.command("release")
@pass_session
def release_command(session: Session) -> None:
    """End the hold."""
    try:
        held = session.client.get("/hold", lookup=True)
        session.client.ask("DELETE", "/hold")
    except NotThere:
        raise Refused("nothing is on hold") from None
    session.out.one(held, lambda: session.out.show(f"released, what was on hold by {held['by'] or 'somebody'}"))
