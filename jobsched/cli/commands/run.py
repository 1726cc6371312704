"""`jobsched run`, `rerun` and `cancel`: start and end runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from .. import find
from ..client import Json, one
from ..errors import INTERRUPTED, NotThere, Refused, Usage
from ..session import Session, pass_session
from ..times import spoken
from ..words import ACTIVE, status_of
from .logs import finished, show, tell


@click.command("run")
@click.argument("job", type=find.JOB)
@click.option(
    "-p", "--param", multiple=True, metavar="NAME=VALUE", help="A parameter of this run; NAME= takes it away."
)
@click.option("--due", metavar="TIME", help="The due that it makes up for: 2026-11-28T03:00, or 03:00, the last.")
@click.option("--force", is_flag=True, help="Also while the job is on hold.")
@click.option("-w", "--wait", is_flag=True, help="Wait for its end; exit as the run did.")
@click.option("-f", "--follow", is_flag=True, help="Show what it prints until its end; exit as the run did.")
@pass_session
def run_command(
    session: Session, job: str, param: Sequence[str], due: str | None, force: bool, wait: bool, follow: bool
) -> int | None:
    """Run JOB now, and print the id of the run."""
    found = find.job(session.client, job)
    body: Json = {}
    if param:
        body["parameters"] = parameters(param)
    if due is not None:
        body["due"] = session.times.back(due)
    path = one("jobs", str(found["id"]), "run")
    return _started(session, _order(session, path, body or None, force), wait, follow)


@click.command("rerun")
@click.argument("run", type=find.JOB)
@click.option("--force", is_flag=True, help="Also while the job is on hold.")
@click.option("-w", "--wait", is_flag=True, help="Wait for its end; exit as the run did.")
@click.option("-f", "--follow", is_flag=True, help="Show what it prints until its end; exit as the run did.")
@pass_session
def rerun_command(session: Session, run: str, force: bool, wait: bool, follow: bool) -> int | None:
    """Run again what has ended, with the same parameters; print the id of the new run."""
    found = find.run(session, run)
    path = one("runs", str(found["id"]), "rerun")
    return _started(session, _order(session, path, None, force), wait, follow)


def _order(session: Session, path: str, body: Json | None, force: bool) -> str:
    """The id of the run that was ordered. Raises CommandError."""
    try:
        return session.client.ask("POST", path, body, query={"force": 1} if force else None, keyed=True).made
    except Refused as why:
        raise Refused(str(why).replace("force=1", "--force")) from None


def parameters(given: Sequence[str]) -> dict[str, object]:
    """NAME=VALUE as parameters: a value that is a number, true or false in JSON is one; nothing takes it away."""
    found: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Usage(f'-p takes NAME=VALUE, not "{text}"')
        found[name] = scalar(value) if value else None
    return found


def scalar(text: str) -> object:
    """A text as JSON, where it is a number, true or false there; else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float, str)) else text


def _started(session: Session, run_id: str, wait: bool, follow: bool) -> int | None:
    out = session.out
    path = one("runs", run_id)
    if not (wait or follow):
        if out.people:
            out.show(run_id)
            if sys.stderr.isatty():
                out.note(f"see what it prints: jobsched logs {find.short(run_id)} -f", "dim")
        else:
            out.rows([session.client.get(path, lookup=True)], ())
        return None
    run = session.client.get(path, lookup=True)
    if follow:
        return show(session, run, follow=True)
    try:
        ended = finished(session, run)
    except KeyboardInterrupt:
        out.note(f"\nthe run goes on: jobsched logs {find.short(run_id)} -f")
        return INTERRUPTED
    if out.people:
        out.show(run_id)
        tell(session, ended)
    else:
        out.rows([ended], ())
    return status_of(ended)


@click.command("cancel")
@click.argument("run", type=find.JOB)
@click.option("-w", "--wait", is_flag=True, help="Wait until it is dead.")
@pass_session
def cancel_command(session: Session, run: str, wait: bool) -> int | None:
    """End a run; of a job, all its runs that wait or run."""
    its = _meant(session, run)
    for each in its:
        session.client.ask("POST", one("runs", str(each["id"]), "cancel"))
        now = session.client.get(one("runs", str(each["id"])), lookup=True)
        session.out.show(_said(now, each))
    if not wait:
        return None
    for each in its:
        ended = finished(session, session.client.get(one("runs", str(each["id"])), lookup=True))
        after = f" after {spoken(ended['duration'])}" if ended["duration"] is not None else ""
        by = f"ended by {str(ended['signal']).removeprefix('SIG')}" if ended["signal"] else str(ended["state"])
        session.out.show(f"{find.short(str(ended['id']))} of {ended['job_name']}: {by}{after}")
    return None


def _said(now: Json, before: Json) -> str:
    name = f"{find.short(str(now['id']))} of {now['job_name']}"
    if before["state"] == "waiting":
        return f"{name}: it waited, and is not started"
    return f"{name}: TERM sent" + (f" to pid {now['pid']}" if now["pid"] else "") + f" on {now['node']}"


def _meant(session: Session, ref: str) -> list[Json]:
    client = session.client
    try:
        job = find.job(client, ref)
    except NotThere:
        run = find.run(session, ref)
        if run["state"] not in ACTIVE:
            raise Refused(f"run {find.short(str(run['id']))} of {run['job_name']} has ended: {run['state']}") from None
        return [run]
    path = one("jobs", str(job["id"]), "runs")
    found = list(client.pages(path, {"state": ",".join(ACTIVE)}, lookup=True))
    if not found:
        raise Refused(f"no run of {job['name']} is active")
    return found
