"""`jobsched add`, `set` and `delete`: make, change and delete jobs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from .. import find
from ..client import Json, one
from ..errors import Changed, CommandError, Refused, Usage
from ..fields import differing, fields, told
from ..session import Session, pass_session
from ..times import span
from .batch import perform
from .dues import dues_of
from .run import parameters

WORD = re.compile(r"[a-z][a-z0-9._-]{0,62}")


@click.command("add")
@click.argument("name")
@click.option("-t", "--task", required=True, type=find.TASK, help="What it runs; jobsched jobs shows tasks in use.")
@click.option("--every", metavar="SPAN", help="An interval: 90s, 5m, 1h30m, 2d.")
@click.option("--cron", metavar="EXPR", help="A cron expression, in quotes, read in --zone.")
@click.option("--at", metavar="TIME", help="Once: 2026-12-01T03:00.")
@click.option("-p", "--param", multiple=True, metavar="NAME=VALUE", help="A parameter of its task.")
@click.option("--label", multiple=True, metavar="NAME=VALUE", help="A label.")
@click.option("--description", metavar="TEXT", help="What it is for, and what to do at night.")
@click.option("--set", "more", multiple=True, metavar="FIELD=VALUE", help="Any other field, such as retries=2.")
@click.option("--replace", is_flag=True, help="Replace the job of this id, if there is one.")
@pass_session
def add_command(
    session: Session, name: str, task: str, every: str | None, cron: str | None, at: str | None,
    param: Sequence[str], label: Sequence[str], description: str | None, more: Sequence[str], replace: bool,
) -> None:  # fmt: skip
    """Make a job. NAME of a-z 0-9 . _ - becomes its id; with another NAME, Jobsched makes one."""
    body: Json = {"task": task} | _trigger(session, every, cron, at) | fields(more, session.times)
    body |= {"parameters": parameters(param)} if param else {}
    body |= {"labels": _labels(label)} if label else {}
    body |= {"description": description} if description else {}
    job = _made(session, name, body, replace)
    session.out.one(job, lambda: _tell(session, job))


def _trigger(session: Session, every: str | None, cron: str | None, at: str | None) -> Json:
    if sum(each is not None for each in (every, cron, at)) != 1:
        raise Usage("give one of --every, --cron and --at")
    if every is not None:
        return {"interval": {"seconds": span(every)}}
    if at is not None:
        return {"at": session.times.ahead(at)}
    named = session.given.get("zone") or session.given.get("utc")
    return {"cron": cron} | ({"timezone": session.times.name} if named else {})


def _labels(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    return {name: value for name, _, value in pairs}


def _made(session: Session, name: str, body: Json, replace: bool) -> Json:
    client = session.client
    if WORD.fullmatch(name) is None:
        if replace:
            raise Usage("--replace needs a NAME of a-z 0-9 . _ -, a letter first: that is the id of the job")
        made = client.ask(
            "POST", "/jobs", body | {"name": name}, keyed=True, headers={"Prefer": "return=representation"}
        )
        return dict(made.json)
    try:
        headers = {} if replace else {"If-None-Match": "*"}
        return dict(client.ask("PUT", one("jobs", name), body, headers=headers).json)
    except Changed:
        raise Refused(f"there is a job {name} already; change it: jobsched set {name} FIELD=VALUE; "
                      "make it what is said here: --replace") from None  # fmt: skip


def _tell(session: Session, job: Json) -> None:
    out, times = session.out, session.times
    out.show(f"{job['id']}" + (f" ({job['name']})" if job["name"] != job["id"] else ""), "bold")
    for fire in dues_of(session.client, job):
        note = f"  {fire['note']}" if fire["note"] else ""
        out.show(f"  {times.full(fire['utc'])}  {times.away(fire['utc'])}{note}")


@click.command("set")
@click.argument("job", type=find.JOB)
@click.argument("assignment", nargs=-1, required=True, metavar="FIELD=VALUE...")
@pass_session
def set_command(session: Session, job: str, assignment: Sequence[str]) -> None:
    """Change fields of JOB: retries=2 timeout=1h every=5m labels.team=data parameters.x=1 misfire_grace=none."""
    patch = fields(assignment, session.times)
    before = find.job(session.client, job)
    after = changed(session, before, "PATCH", patch)
    session.out.one(after, lambda: tell_changes(session, before, after))


def changed(session: Session, before: Json, method: str, body: Json) -> Json:
    """The job after a write that is made only if it is still at the version that was seen. Raises Changed."""
    path = one("jobs", str(before["id"]))
    try:
        return dict(session.client.ask(method, path, body, headers={"If-Match": f'"{before["version"]}"'}).json)
    except Changed:
        raise Changed(
            f"{before['name']} was changed{_by(session, before)} meanwhile; look at it, and try again"
        ) from None


def _by(session: Session, job: Json) -> str:
    try:
        query = {"target": job["id"], "limit": 1}
        entry = session.client.get("/audit", query, lookup=True)["values"][0]
    except (CommandError, IndexError):
        return ""  # only the scope admin may look
    fields = [f"{name} from {told((entry['before'] or {}).get(name))} to {told(value)}"
              for name, value in (entry["after"] or {}).items()]  # fmt: skip
    return f" by {entry['who'] or 'somebody'} at {session.times.short(entry['at'])} ({', '.join(fields)})"


def tell_changes(session: Session, before: Json, after: Json) -> None:
    """The fields that differ, before and after."""
    differ = differing(before, after)
    if not differ:
        session.out.show(f"{after['name']} is so already")
    for name, old, new in differ:
        session.out.show(f"{after['name']}: {name}: {told(old, name)} -> {told(new, name)}")


@click.command("delete")
@click.argument("job", nargs=-1, required=True, type=find.JOB)
@click.option("--cancel", is_flag=True, help="End their active runs too.")
@click.option("--dry-run", is_flag=True, help="Say what would be, and do nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def delete_command(session: Session, job: Sequence[str], cancel: bool, dry_run: bool, yes: bool) -> None:
    """Delete jobs. Their runs stay, as long as they are kept."""
    body = {"action": "delete", "cancel": cancel}
    perform(session, job, body, "deleted", dry_run=dry_run, ask=None if yes or dry_run else "delete")
