"""`jobsched events`: what changes, as it does."""

from __future__ import annotations

import json
import sys

import click

from .. import find
from ..client import Json
from ..errors import INTERRUPTED, NoAnswer
from ..session import Session, pass_session
from ..watch import events
from ..words import outcome


@click.command("events")
@click.argument("job", required=False, type=find.JOB)
@click.option("--kind", metavar="A,B", help="Only these: run, job, node, hold.")
@click.option("--task", type=find.TASK, help="Only of jobs of this task.")
@click.option("--state", metavar="A,B", help="Only runs that come to these states.")
@pass_session
def events_command(session: Session, job: str | None, kind: str | None, task: str | None, state: str | None) -> int:
    """Follow what changes, a line each; with -o jsonl each is an object with `event` and `data`."""
    its = None if job is None else str(find.job(session.client, job)["id"])
    query = {"kind": kind, "job": its, "task": task, "state": state}
    try:
        for name, data in events(session.client, query):
            if name:
                _tell(session, name, json.loads(data or "{}"))
                sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    raise NoAnswer(f"{session.server.url} has ended the stream of events")


def _tell(session: Session, name: str, data: Json) -> None:
    out = session.out
    if not out.people:
        out.show(json.dumps({"event": name, "data": data}, ensure_ascii=False, separators=(",", ":")))
        return
    from ..times import now

    out.show(f"{session.times.short(now().isoformat())}  {name:<5} {_words(name, data)}")


def _words(name: str, data: Json) -> str:
    if data.get("deleted"):
        return f"{data.get('name') or data.get('id') or ''} is gone"
    if name == "run":
        if data["ended"] is not None:
            return f"{data['job_name']}: {outcome(data)}"
        return f"{data['job_name']}: {data['state']}: {data['reason']} (run {find.short(data['id'])})"
    if name == "job":
        return f"{data['name']}: {data['state']}, version {data['version']}"
    if name == "hold":
        return f"by {data['by'] or 'somebody'}: {data['reason'] or 'nobody said why'}"
    if name == "node":
        return f"{data['name']}: {data['state']}"
    return ""
