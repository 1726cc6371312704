"""`jobsched import crontab`: which job each line would be, and what the catalog needs for those that cannot be one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from .. import proposal
from ..client import Answer, Json, one
from ..errors import NotThere, Refused, Usage
from ..output import Column
from ..session import Session, pass_session
from ..words import when
from . import apply

STDIN = "-"
TRIES = 50  # a refusal tells of up to some hundred lines


@click.group("import")
def import_command() -> None:
    """Make jobs of what another scheduler has."""


@import_command.command("crontab")
@click.argument("file", required=False, metavar="FILE|-")
@click.option("--user", metavar="USER", help="The crontab of this user, as crontab -l shows it.")
@click.option("--system", is_flag=True, help="With the column of users that /etc/crontab has.")
@click.option("--label", metavar="NAME=VALUE", help="The scope: the jobs get this label.")
@click.option("--prune", is_flag=True, help="Delete jobs with that label that are in no line.")
@click.option("--propose", metavar="DIR", type=click.Path(path_type=Path),
              help="Write sections, scripts and a crontab there, for the lines that cannot be jobs yet.")  # fmt: skip
@click.option("--plan", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--check", is_flag=True, help="The same; exit with 6 if there is anything to do.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def crontab(
    session: Session, file: str | None, user: str | None, system: bool, label: str | None, prune: bool,
    propose: Path | None, plan: bool, check: bool, yes: bool,
) -> int:  # fmt: skip
    """Make jobs of the lines of a crontab: all of them, or none. A command has to be a task of the catalog."""
    if (file is None) == (user is None):
        raise Usage("give a FILE, - for stdin, or --user USER")
    if prune and label is None:
        raise Usage("--prune needs --label: jobs without it are nobody's business here")
    text = _text(file, user)
    kind = "text/crontab; user=1" if system else "text/crontab"
    query = {"scope": label, "prune": 1 if prune else None}
    planned, refused = _planned(session, text, kind, query)
    rows = [] if planned is None else [_row(session, part) for part in planned.json["values"]]
    rows += [{"line": number, "sign": "!", "id": None, "task": None, "what": " ".join(why[0].split("\n\n")[0].split()),
              "why": why} for number, why in refused.items()]  # fmt: skip
    _tell(session, rows)
    for note in () if planned is None else planned.json["notes"]:
        session.out.note(f"{note['place']}: {note['detail']}")
    if refused:
        lines = f"{len(refused)} line{'s' if len(refused) > 1 else ''} of the crontab cannot be taken"
        raise Refused(f"{lines}, and nothing was done; {_proposed(session, text, refused, system, propose)}")
    if propose is not None:
        session.out.note("every line can be a job: there is nothing to propose")
    assert planned is not None
    return apply.carried_out(
        session, planned, lambda seen: apply.put(session, text.encode(), query, seen, kind), plan, check, yes
    )


def _text(file: str | None, user: str | None) -> str:
    """The crontab. Raises NotThere, Refused."""
    try:
        if user is not None:
            listed = subprocess.run(  # nosec B607 - the `crontab` that a shell would run
                ["crontab", "-l", "-u", user], capture_output=True, check=False, timeout=apply.PATIENCE
            )
            if listed.returncode:
                raise Refused(f"crontab -l -u {user}: {listed.stderr.decode('utf-8', 'replace').strip()}")
            return listed.stdout.decode()
        return sys.stdin.read() if file == STDIN else Path(str(file)).read_bytes().decode()
    except OSError as why:
        raise NotThere(f"{file or 'crontab'}: {why.strerror}") from why
    except UnicodeDecodeError as why:
        raise Refused(f"{file or user}: {why}") from why


def _planned(session: Session, text: str, kind: str, query: Json) -> tuple[Answer | None, dict[int, list[str]]]:
    """The plan for the lines that can be jobs, and why the others cannot. Of the latter the server is not asked again,
    and nothing is pruned in their place."""
    refused: dict[int, list[str]] = {}
    for _ in range(TRIES):
        rest = proposal.without(text, refused)
        if refused and not any(map(proposal.is_job, rest.split("\n"))):
            break
        asked = query | {"plan": 1} | ({"prune": None} if refused else {})
        try:
            return apply.put(session, rest.encode(), asked, kind=kind), dict(sorted(refused.items()))
        except Refused as why:
            more = proposal.by_line(why.faults)
            if not more.keys() - refused.keys():
                raise
            refused = more | refused
    return None, dict(sorted(refused.items()))


def _row(session: Session, part: Json) -> Json:
    job = part["after"] or {}
    if part["what"] != "create":
        job = session.client.maybe(one("jobs", part["id"])) or {}
    place = proposal.LINE.match(part["place"] or "")
    said = apply.what(part) if part["what"] == "change" else when(job) if job else ""
    return {"line": int(place[1]) if place else None, "sign": apply.SIGNS[part["what"]], "id": part["id"],
            "task": job.get("task"), "what": said, "why": []}  # fmt: skip


def _tell(session: Session, rows: list[Json]) -> None:
    columns = (
        Column("LINE", lambda row: str(row["line"] or "-"), keep=None, right=True),
        Column("", lambda row: str(row["sign"]), keep=None, styled=True),
        Column("JOB", lambda row: str(row["id"] or "-"), keep=2, cut=True),
        Column("TASK", lambda row: str(row["task"] or "-"), keep=1, cut=True),
        Column("WHAT", lambda row: str(row["what"]), keep=None, cut=True),
    )
    session.out.rows(sorted(rows, key=lambda row: (row["line"] or 0, row["id"] or "")), columns)


def _proposed(session: Session, text: str, refused: dict[int, list[str]], system: bool, folder: Path | None) -> str:
    """Write the proposal; what is to be done next."""
    if folder is None:
        return "--propose DIR writes what the catalog would need"
    made = proposal.propose(text, refused, session.client.get("/catalog", lookup=True)["tasks"], system)
    try:
        (folder / "tasks").mkdir(parents=True)
        for name, script in made.scripts.items():
            path = folder / "tasks" / name
            path.write_text(script)
            path.chmod(0o755)
        (folder / "catalog.cfg").write_text(made.catalog)
        (folder / "crontab").write_text(made.crontab)
    except FileExistsError as why:
        raise Refused(f"{folder}/tasks is there already; give another folder") from why
    except OSError as why:
        raise Refused(f"{folder}: {why.strerror}") from why
    return (
        f"look at {folder}/, put its catalog.cfg behind the daemon's and its tasks into the daemon's, have the catalog "
        f"read again, and import {folder}/crontab"
    )
