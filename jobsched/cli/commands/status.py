"""`jobsched` alone and `jobsched status`: what needs you, what runs, what comes next; or how one job is. And `jobsched
open`: the live page, which shows more."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from itertools import takewhile

import click

from ...model.printable import many
from .. import find
from ..client import Json, one
from ..errors import DONE, REFUSED
from ..session import Session, pass_session
from ..times import whole
from ..words import last_judged, may_need, needs, outcome, run_columns, took, when
from .dues import dues_of
from .runs import active

FIELDS = "name,overdue,last_run,recent,next_due,state,median_duration"
SHOWN = 10  # jobs that need somebody
PAGE = 50  # jobs that are read at a time: those that need somebody come first
NEXT = 5  # jobs that are due next
DEAR = 3  # times the usual, from which a run is worth a line
MARKS = {"overdue": "!", "lost": "x", "failed": "x", "timed_out": "x", "missed": "?"}


@click.command("status")
@click.argument("job", required=False, type=find.JOB)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything needs somebody.")
@pass_session
def status_command(session: Session, job: str | None, exit_code: bool) -> int:
    """What needs you, what runs, what comes next; or how JOB is."""
    if job is None:
        return overview(session, exit_code)
    found = find.job(session.client, job)
    session.out.one(found, lambda: _one(session, found))
    return REFUSED if exit_code and needs(found) else DONE


def overview(session: Session, exit_code: bool = False) -> int:
    """The first screen."""
    client, out = session.client, session.out
    ready, nodes, upcoming, hold = client.several(
        ("/health", {}), ("/nodes", {}), ("/upcoming", {"limit": 100}), ("/hold", {})
    )
    trouble = session.client.trouble()
    assert ready is not None, "/health is open to everybody"
    upcoming = upcoming or {"values": []}
    jobs = client.pages("/jobs", {"sort": "attention", "fields": FIELDS}, page=PAGE)
    bad = list(filter(needs, takewhile(may_need, jobs)))
    running = list(active(client, lines=False))
    slow = [run for run in running if _is_slow(session, run)]
    if out.people:
        _tell(session, bad, running, slow, upcoming, nodes, ready, hold, trouble)
    else:
        found = {"attention": bad, "active": running, "next": upcoming["values"], "hold": hold, "nodes": nodes}
        out.rows([{**found, "trouble": trouble}], ())
    return REFUSED if exit_code and (bad or trouble) else DONE


def _tell(
    session: Session, bad: Sequence[Json], running: Sequence[Json], slow: Sequence[Json], upcoming: Json,
    nodes: Json | None, ready: Json, hold: Json | None, trouble: str | None,
) -> None:  # fmt: skip
    out, times = session.out, session.times
    count = len(bad) + len(slow)
    nothing = "no job needs you, but the daemon does" if trouble else "nothing needs you"
    head = f"{many(count, 'job')} need{'s' if count == 1 else ''} you" if count else nothing
    style = "bold red" if bad or trouble else "bold"
    out.show(f"{head}    {_nodes(nodes, ready)}, {len(running)} running or waiting", style)
    if trouble:
        out.show(f"  ! the daemon cannot do its work: {trouble}        look closer: jobsched doctor", "red")
    if hold:
        why = f": {hold['reason']}" if hold["reason"] else ""
        until = times.short(hold["until"], "released")
        out.show(
            f"  on hold by {hold['by'] or 'somebody'} until {until}{why}        end it: jobsched release", "yellow"
        )
    room = max([len(job["name"]) for job in bad[:SHOWN]] + [len(run["job_name"]) for run in slow], default=0)
    for job in bad[:SHOWN]:
        out.show(f"  {_bad(session, job, room)}", "red")
    if len(bad) > SHOWN:
        out.show(f"  and {len(bad) - SHOWN} more: jobsched jobs --failing")
    for run in slow:
        out.show(
            f"  ! {run['job_name']:<{room}}  runs for {took(run, session)}, usually {whole(run['usually'])}", "yellow"
        )
    soon = {due["job_id"]: due for due in reversed(upcoming["values"])}  # the first due of each
    first = sorted(soon.values(), key=lambda due: str(due["due"]))[:NEXT]
    dues = [f"{due['job_name']} {times.short(due['due'])} ({times.away(due['due'])})" for due in first]
    out.show(f"next: {'   '.join(dues)}" if dues else "next: nothing is due within a day")
    out.show("  " + "        ".join(_hints(bad, running)), "dim")


def _nodes(nodes: Json | None, ready: Json) -> str:
    alive = [node for node in (nodes or {"values": []})["values"] if node["state"] == "alive"]
    if not alive:
        return f"jobsched {ready['version']}"
    slots = sum(node["running"] + node["slots"] for node in alive)
    names = ", ".join(sorted({str(node["name"]) for node in alive}))
    return f"{names}: {sum(node['running'] for node in alive)} of {slots} slots"


def _bad(session: Session, job: Json, room: int) -> str:
    run = last_judged(job) or job["last_run"]
    if job["overdue"]:
        return f"! {job['name']:<{room}}  overdue since {session.times.short(job['overdue']['since'])}"
    stats = session.client.maybe(one("jobs", str(job["id"]), "stats")) or {}
    last: Json = next((each for each in stats.get("last") or () if each["id"] == run["id"]), {})
    times = stats.get("failures") or 1
    since = f" {times}x since {session.times.short(stats['failing_since'])}" if times > 1 else ""
    word = {"timed_out": "timed out"}.get(run["state"], run["state"])
    reason = last.get("reason") or (job["last_run"] or {}).get("reason", "")
    told = since or f" {session.times.short(run['due'])}"
    return f"{MARKS.get(run['state'], 'x')} {job['name']:<{room}}  {word}{told}   {reason}"


def _is_slow(session: Session, run: Json) -> bool:
    from ..times import now

    started = session.times.of(run["started"])
    if started is None or not run["usually"]:
        return False
    return bool((now() - started).total_seconds() > max(60.0, DEAR * run["usually"]))


def _hints(bad: Sequence[Json], running: Sequence[Json]) -> list[str]:
    if bad:
        name = bad[0]["name"]
        return [f"jobsched logs {name}", f"jobsched why {name}", f"jobsched rerun {name}"]
    if running:
        return ["jobsched ps", f"jobsched logs {running[0]['job_name']} -f", "jobsched runs --since -8h"]
    return ["jobsched jobs", "jobsched runs --since -8h", "jobsched add NAME --task TASK --every 5m"]


def _one(session: Session, job: Json) -> None:
    client, out, times = session.client, session.out, session.times
    out.show(f"{job['name']}: {sentence(session, job)}", "bold")
    for line in (job["description"], job["owner"] and f"owner: {job['owner']}", job["runbook"]):
        if line:
            out.show(f"  {line}")
    limit = job["effective"]
    out.show(f"  task {job['task']}, " + ("no timeout" if limit["timeout"] is None
            else f"ends after {whole(limit['timeout'])} ({limit['source']})"))  # fmt: skip
    if not job["task_known"]:
        out.show(f"  ! the catalog has no task {job['task']} now: no due can start", "red")
    stats = client.maybe(one("jobs", str(job["id"]), "stats")) or {}
    if stats.get("runs"):
        usual = f", usually {whole(stats['median'])}" if stats["median"] is not None else ""
        out.show(f"  {stats['success_rate']:.1%} of {many(stats['runs'], 'due')} succeeded{usual}")
    runs = list(client.pages(one("jobs", str(job["id"]), "runs"), most=5))
    out.rows(runs, [column for column in run_columns(session) if column.title != "JOB"], empty="  no runs yet")
    if job["state"] == "scheduled":
        out.show(f"next: {', '.join(times.short(fire['utc']) for fire in dues_of(client, job))}")
    if runs and needs(job):
        out.note(outcome(runs[0]), "red")
        out.note(f"  jobsched logs {job['name']}        jobsched why {job['name']}")


def sentence(session: Session, job: Json) -> str:
    """How a job is, in a sentence."""
    times = session.times
    if job["state"] == "paused":
        until = f" until {times.short(job['paused_until'])}" if job["paused_until"] else ""
        why = f": {job['pause_reason']}" if job["pause_reason"] else ""
        return f"paused by {job['paused_by'] or 'somebody'} at {times.short(job['paused_at'])}{until}{why}"
    if job["next_due"] is None:
        return "has no due left"
    text = f"runs {when(job)}; next at {times.short(job['next_due'])}, {times.away(job['next_due'])}"
    if job["overdue"]:
        text += f"; overdue since {times.short(job['overdue']['since'])}: {job['overdue']['reason']}"
    return text


@click.command("open")
@click.argument("job", required=False, type=find.JOB)
@pass_session
def open_command(session: Session, job: str | None) -> None:
    """Say where the live page is, or that of JOB. In a terminal a browser is asked to open it: the one that $BROWSER
    names, or the first that is found."""
    path = "/" if job is None else one("jobs", str(find.job(session.client, job)["id"]))
    address = f"{session.server.url}/ui{path}"
    session.out.show(address)
    if session.out.terminal and not webbrowser.open(address):
        session.out.note("no browser could be started here", "yellow")
