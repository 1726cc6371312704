"""`jobsched why`: why a job did, or did not, run at a time."""

from __future__ import annotations

import shlex

import click

from .. import find
from ..client import Json, one
from ..errors import NotThere
from ..session import Session, pass_session


@click.command("why")
@click.argument("job", type=find.JOB)
@click.option("--at", metavar="TIME", help="03:00 is the last such time; a date, or both. Its last due, by default.")
@pass_session
def why_command(session: Session, job: str, at: str | None) -> None:
    """Why JOB did, or did not, run: the answer, the evidence, and what may be done."""
    zone = session.given.get("zone") or ("UTC" if session.given.get("utc") else None)
    said = session.client.get(one("jobs", _identity(session, job), "why"), {"at": at, "zone": zone})
    session.out.one(said, lambda: tell(session, said))


def _identity(session: Session, ref: str) -> str:
    """The id of a job, also of one that is deleted."""
    try:
        return str(find.job(session.client, ref)["id"])
    except NotThere:
        if session.client.maybe(one("jobs", ref, "why")) is not None:
            return ref
        gone = session.client.maybe("/audit", {"target": ref, "action": "job.delete", "limit": 1})
        if gone and gone["values"]:
            return str(gone["values"][0]["target"])
        raise


def tell(session: Session, said: Json) -> None:
    """The answer, for a person."""
    out, times = session.out, session.times
    out.show(said["sentence"], "bold")
    for fact in said["facts"]:
        at = times.full(fact["at"], "") if out.wide else times.short(fact["at"], "")
        out.show(f"  {at:<17}  {fact['text']}")
    for step in said["next"]:
        out.show(f"{step['text']}: {command(said, step)}")


def command(said: Json, step: Json) -> str:
    """The command that makes the call of a step."""
    name = shlex.quote(str(said["name"] or said["job"]))
    job = shlex.quote(str(said["job"])) if find.is_glob(name) else name
    body = step["body"] or {}
    path, _, query = str(step["path"]).partition("?")
    run = find.short(path.split("/")[2]) if path.count("/") > 1 else ""
    match str(step["method"]), path.rpartition("/")[2]:
        case "POST", "run":
            words = ["jobsched run", job, *(["--force"] if "force=1" in query else [])]
        case "POST", "resume":
            words = ["jobsched resume", job]
        case "DELETE", "hold":
            words = ["jobsched release"]
        case "GET", "output":
            words = ["jobsched logs", run, "-f" if "follow=1" in query else "--tail 20"]
        case "GET", "runs":
            words = ["jobsched ps"]
        case "GET", "nodes":
            words = ["jobsched nodes"]
        case "PATCH", _:
            words = ["jobsched set", job, *(shlex.quote(f"{field}={_short(value)}") for field, value in body.items())]
        case method, _:
            words = [method, str(step["path"])]
    return " ".join(words)


def _short(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else "none" if value is None else value
