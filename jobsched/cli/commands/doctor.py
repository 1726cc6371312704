"""`jobsched doctor`: what is trouble, or will be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import click

from ...model.printable import many
from ..client import Json, one
from ..errors import DONE, REFUSED, CommandError, NotAllowed, Usage
from ..output import Column
from ..session import Session, pass_session
from ..times import now, spoken, whole

CLOCK = timedelta(seconds=5)  # Date has whole seconds
FORGOTTEN = timedelta(days=7)
NEAR = 0.8  # of the timeout
GIB = 1024**3
LOW = GIB
PRUNED = timedelta(days=2)  # after that, old runs should be gone


@dataclass(frozen=True)
class Finding:
    """One line: `ok`, `note` or `trouble`."""

    result: str
    check: str
    text: str
    remedy: str = ""


@click.command("doctor")
@pass_session
def doctor_command(session: Session) -> int:
    """Look for what is trouble, or will be. Exit with 1 if something is."""
    if session.given.get("curl"):
        raise Usage("doctor asks much; --curl is for one request")
    found = list(findings(session))
    columns = (
        Column("RESULT", lambda row: str(row["result"]), keep=None, styled=True),
        Column("CHECK", lambda row: str(row["check"]), keep=3),
        Column("FINDING", lambda row: str(row["text"]), keep=None, cut=True),
        Column("REMEDY", lambda row: str(row["remedy"]), keep=1, cut=True),
    )
    session.out.rows([asdict(each) for each in found], columns)
    return REFUSED if any(each.result == "trouble" for each in found) else DONE


def findings(session: Session) -> Iterator[Finding]:
    """What is found, check by check."""
    yield from _server(session)
    yield from _access(session)
    yield from _nodes(session)
    yield from _catalog(session)
    yield from _storage(session)
    jobs = list(session.client.pages("/jobs"))
    yield from _jobs(session, jobs)


def _server(session: Session) -> Iterator[Finding]:
    client = session.client
    asked = now()
    answer = client.ask("GET", "/health")
    heard = now()
    yield Finding("ok", "server", f"{session.server.url} answers, version {answer.json['version']}")
    sent = answer.headers.get("date")
    if sent:
        told = parsedate_to_datetime(sent)
        off = told - min(max(told, asked), heard)  # it was told between the two, however long that took
        if abs(off) > CLOCK:
            yield Finding(
                "trouble", "clock", f"the server's clock is off by {spoken(off.total_seconds())}", "set the clocks"
            )
        else:
            yield Finding("ok", "clock", "the clocks agree")
    try:
        client.get("/jobs", {"limit": 1})
    except NotAllowed as why:
        raise NotAllowed(f"jobs cannot be read: {why}") from why
    try:
        client.get("/health/ready")
        yield Finding("ok", "ready", "the daemon can do its work")
    except CommandError as why:
        yield Finding("trouble", "ready", str(why))


def _access(session: Session) -> Iterator[Finding]:
    me = session.client.maybe("/me")
    if me is not None:
        who = "nobody is asked for a token" if me["open"] else f"the token {me['name']}"
        tasks = f", with {', '.join(me['tasks'])} alone" if me["tasks"] else ""
        yield Finding("ok", "access", f"{who}: {', '.join(me['scopes'])}{tasks}")
    held = session.client.maybe("/hold")
    if held is not None:
        text = f"on hold by {held['by'] or 'somebody'}" + (f": {held['reason']}" if held["reason"] else "")
        yield Finding("note", "hold", text, "jobsched release")


def _nodes(session: Session) -> Iterator[Finding]:
    found = session.client.maybe("/nodes")
    if found is None:
        yield Finding("note", "nodes", "this token may not see the nodes: that needs the scope admin")
        return
    alive = [node for node in found["values"] if node["state"] == "alive"]
    versions = sorted({str(node["version"]) for node in alive})
    if len(versions) > 1:
        yield Finding("trouble", "versions", f"the nodes differ: {', '.join(versions)}", "upgrade those behind")
    for node in alive:
        if node["problem"]:
            yield Finding("trouble", "node", f"{node['name']}: {node['problem']}")
        elif node["slots"] <= 0:
            yield Finding("trouble", "slots", f"{node['name']} has no slot left", "jobsched ps")
    for node in found["values"]:
        if node["state"] == "dead":
            yield Finding("note", "node", f"{node['name']} died, seen last {session.times.full(node['seen'])}")
            break
    yield Finding("ok", "nodes", f"{len(alive)} alive")


def _catalog(session: Session) -> Iterator[Finding]:
    tasks = session.client.get("/catalog")["tasks"]
    for name in tasks:
        task = session.client.maybe(one("catalog", str(name)))
        if task is not None and task["problem"]:
            yield Finding("trouble", "task", f"{name}: {task['problem']}", "jobsched lint, on its host")
    yield Finding("ok", "catalog", many(len(tasks), "task"))


def _storage(session: Session) -> Iterator[Finding]:
    found = session.client.get("/storage")
    free, share = found["free"], found["free"] / max(1, found["size"])
    text = f"{found['node']} has {free / GIB:.1f} GiB free for its state, {share:.0%} of the disk"
    if free < LOW:
        yield Finding("trouble", "disk", text, "KEEP_RUNS, KEEP_DAYS or OUTPUT_LIMIT lower, or a larger disk")
    else:
        yield Finding("ok", "disk", text)
    if found["oldest"] is None:
        yield Finding("note", "runs", "there are no runs yet")
        return
    kept = f"KEEP_DAYS is {found['keep_days']:g}, KEEP_RUNS {found['keep_runs']}"
    text = f"the oldest run was due {session.times.full(found['oldest'])}; {kept}"
    if _age(found["oldest"]) > timedelta(days=found["keep_days"]) + PRUNED:
        yield Finding("trouble", "runs", text, "see the log: old runs could not be pruned")
    else:
        yield Finding("ok", "runs", text)


def _jobs(session: Session, jobs: Sequence[Json]) -> Iterator[Finding]:
    for job in jobs:
        yield from _job(session, job)
    yield Finding("ok", "jobs", f"{many(len(jobs), 'job')} {'was' if len(jobs) == 1 else 'were'} looked at")


def _job(session: Session, job: Json) -> Iterator[Finding]:
    name = str(job["name"])
    if not job["task_known"]:
        yield Finding(
            "trouble",
            "task",
            f"{name}: no task {job['task']} in the catalog: each due fails",
            f"jobsched set {name} task=TASK",
        )
    if job["overdue"]:
        yield Finding("trouble", "overdue", f"{name}: {job['overdue']['reason']}", f"jobsched why {name}")
    if job["state"] == "paused" and _age(job["paused_at"]) > FORGOTTEN and not job["paused_until"]:
        text = f"{name} is paused for {spoken(_age(job['paused_at']).total_seconds())}, without an end"
        yield Finding("trouble", "paused", text, f"jobsched resume {name}")
    elif job["state"] != "paused" and job["next_due"] is None:
        yield Finding("note", "ended", f"{name} has no due left", f"jobsched delete {name}")
    limit, usual = job["effective"]["timeout"], job["median_duration"]
    if limit and usual and usual > NEAR * limit:
        text = f"{name} usually takes {whole(usual)}, and is ended after {whole(limit)}"
        yield Finding("trouble", "timeout", text, f"jobsched set {name} timeout={round(limit * 2)}s")


def _age(text: str | None) -> timedelta:
    return timedelta(0) if text is None else now() - datetime.fromisoformat(text)
