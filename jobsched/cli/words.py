"""What is said of jobs and runs: the words and columns that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from .client import Json
from .errors import DONE, NEVER_STARTED, REFUSED, TIMED_OUT
from .find import short
from .output import Column
from .session import Session
from .times import spoken, whole

BAD: Final = ("failed", "timed_out", "lost", "missed")
JUDGED: Final = ("succeeded", *BAD)
ACTIVE: Final = ("waiting", "running", "stopping")
SIGNALS: Final = {"SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGABRT": 6, "SIGKILL": 9, "SIGSEGV": 11, "SIGTERM": 15}


def needs(job: Json) -> bool:
    """Whether somebody has to look at a job."""
    judged = last_judged(job)
    return bool(job.get("overdue") or (judged and judged["state"] in BAD))


def may_need(job: Json) -> bool:
    """Whether a job needs somebody, as far as its last runs tell: those that are shown may all count for nothing."""
    return needs(job) or (bool(job.get("recent")) and last_judged(job) is None)


def last_judged(job: Json) -> Json | None:
    """The newest run of a job that counts: what was skipped or cancelled, somebody wanted so."""
    last = job.get("last_run")
    return next((run for run in job.get("recent") or [last] if run and run["state"] in JUDGED), None)


def state(job: Json) -> str:
    """How a job is, in a word."""
    if job.get("overdue"):
        return "overdue"
    return str(job["state"])


def result(job: Json) -> str:
    """What the last run came to."""
    return str(job["last_run"]["state"]) if job.get("last_run") else "-"


def when(job: Json) -> str:
    """When a job runs, in short."""
    if job.get("cron"):
        return f"{job['cron']} {job['timezone']}"
    if job.get("interval_seconds"):
        return f"every {whole(job['interval_seconds'])}"
    return "once"


def late(run: Json, session: Session) -> str:
    """By how much a run started after its due."""
    due, started = session.times.of(run["due"]), session.times.of(run["started"])
    if due is None or started is None or started - due < timedelta(seconds=1):
        return "-"
    return spoken((started - due).total_seconds())


def took(run: Json, session: Session) -> str:
    """How long a run took, or takes."""
    if run["duration"] is not None:
        return spoken(run["duration"])
    since = session.times.of(run["started"])
    if since is None:
        return "-"
    from .times import now

    return spoken((now() - since).total_seconds())


def ended_with(run: Json) -> str:
    """The exit code or the signal."""
    return "-" if run["exit_code"] is None and run["signal"] is None else str(run["signal"] or run["exit_code"])


def status_of(run: Json) -> int:
    """The exit status of a command that waited for a run."""
    if run["state"] == "succeeded":
        return DONE
    if run["state"] == "timed_out":
        return TIMED_OUT
    if run["state"] in ("skipped", "missed", "lost") or run["started"] is None:
        return NEVER_STARTED
    if run["signal"] is not None:
        return 128 + number(str(run["signal"]))
    return int(run["exit_code"] or REFUSED)


def number(name: str) -> int:
    """The number of a signal that an answer names."""
    import signal

    return SIGNALS.get(name) or int(getattr(signal, name, 0))


def outcome(run: Json) -> str:
    """What became of a run, in a sentence."""
    count = f"{run['count']} dues " if run["count"] > 1 else ""
    after = f" after {spoken(run['duration'])}" if run["duration"] is not None else ""
    word = {"timed_out": "timed out"}.get(run["state"], run["state"])
    return f"{count}{word}{after}: {run['reason']} (run {short(run['id'])})"


def signals(run: Json, session: Session) -> str:
    """When it was sent which signal, for behind what became of it."""
    sent = ((name, run.get(field)) for name, field in (("TERM", "term_at"), ("KILL", "kill_at")))
    return "".join(f", {name} at {session.times.short(at)}" for name, at in sent if at)


def run_columns(session: Session) -> Sequence[Column]:
    """How runs are listed."""
    times = session.times
    return (
        Column("STATE", lambda run: str(run["state"]), keep=None, styled=True),
        Column("JOB", lambda run: str(run["job_name"]), keep=None, cut=True),
        Column("DUE", lambda run: times.short(run["due"]), keep=8, full=lambda run: times.full(run["due"])),
        Column("LATE", lambda run: late(run, session), keep=2, right=True),
        Column("TOOK", lambda run: took(run, session), keep=5, right=True),
        Column("EXIT", ended_with, keep=3, right=True),
        Column("REASON", _reason, keep=4, cut=True),
        Column("ID", lambda run: short(run["id"]), keep=6, full=lambda run: str(run["id"])),
        Column("CAUSE", lambda run: str(run["cause"]), wide=True),
        Column("ATTEMPT", lambda run: str(run["attempt"]), wide=True, right=True),
        Column("NODE", lambda run: str(run["node"] or "-"), wide=True),
    )


def _reason(run: Json) -> str:
    return f"{run['count']} dues: {run['reason']}" if run["count"] > 1 else str(run["reason"])
