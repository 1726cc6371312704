"""`jobsched apply`: the jobs of files become those of a server, after a plan."""

from __future__ import annotations

import json
import math
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from ...model.printable import many
from ..client import Answer, Json
from ..errors import DIFFERS, DONE, Changed, NotThere, Refused, Usage
from ..fields import told
from ..output import Column
from ..session import Session, pass_session

SIGNS = {"create": "+", "change": "~", "delete": "-", "keep": "="}
PATIENCE = 600.0  # seconds: ten thousand jobs are put in one transaction
MANY = 1000  # jobs for which one waits long enough to wonder
KINDS = (".json", ".toml")
STDIN = "-"


@click.command("apply")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    required=True,
    metavar="FILE|DIR|-",
    help="JSON or TOML, as export writes them; of a folder, all *.json and *.toml.",
)
@click.option("--label", metavar="NAME=VALUE", help="The scope: jobs of the files get this label.")
@click.option("--prune", is_flag=True, help="Delete jobs with that label that are in no file.")
@click.option("--plan", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--check", is_flag=True, help="The same; exit with 6 if there is anything to do.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def apply_command(
    session: Session, files: Sequence[str], label: str | None, prune: bool, plan: bool, check: bool, yes: bool
) -> int:  # fmt: skip
    """Make, change and, with --prune, delete jobs until they are those of the files; all of it, or nothing."""
    if prune and label is None:
        raise Usage("--prune needs --label: jobs without it are nobody's business here")
    jobs = read(files)
    query = {"scope": label, "prune": 1 if prune else None}
    body = {"jobs": jobs}
    _say(session, len(jobs), "asking what would change")
    answer = put(session, body, query | {"plan": 1})
    _tell(session, answer.json)
    return carried_out(session, answer, lambda seen: put(session, body, query, seen), plan, check, yes)


def put(session: Session, body: object, query: Json, seen: str | None = None, kind: str = "application/json") -> Answer:
    """What a set of jobs comes to, or would. `seen`: the tag of the plan that was seen; `kind`: the type of `body`."""
    headers = {"Content-Type": kind} | ({} if seen is None else {"If-Match": seen})
    writes = "plan" not in query
    return session.client.ask(
        "PUT", "/jobs", body, query=query, headers=headers, writes=writes, patience=PATIENCE
    )  # fmt: skip


def carried_out(
    session: Session, planned: Answer, order: Callable[[str], Answer], plan: bool, check: bool, yes: bool
) -> int:  # fmt: skip
    """Ask, unless that is not wanted, and have what was planned done by `order`; the exit status."""
    counts = planned.json["counts"]
    if session.out.people:
        session.out.show(_counted(counts), "bold")
    changes = sum(counts[what] for what in SIGNS if what != "keep")
    if plan or check or not changes:
        return DIFFERS if check and changes else DONE
    if not yes:
        _ask(session, changes)
    _say(session, changes, "changing all of them, or none")
    try:
        done = order(planned.headers["etag"])
    except Changed:
        raise Changed("jobs were changed since that plan was made, and nothing was done; apply again") from None
    if session.out.people:
        session.out.show(f"done: {_counted(done.json['counts'])}", "bold")
    return DONE


def _say(session: Session, count: int, what: str) -> None:
    """On a terminal, what goes on: so many jobs take seconds."""
    if count >= MANY and session.out.terminal:
        session.out.note(f"{many(count, 'job')}: {what} ...")


def read(files: Sequence[str]) -> list[Json]:
    """The jobs of files and folders, by id. Raises NotThere, and Usage where two have one id."""
    found: dict[str, tuple[Json, str]] = {}
    for place, job in _each(files):
        if not isinstance(job, dict) or not isinstance(job.get("id"), str):
            raise Refused(f"{place}: a job of a file is an object with an id")
        if job["id"] in found:
            raise Refused(f"{job['id']} is in {found[job['id']][1]} and in {place}")
        found[job["id"]] = (job, place)
    return [found[name][0] for name in sorted(found)]


def _each(files: Sequence[str]) -> Iterator[tuple[str, object]]:
    """Each job, with its place."""
    for name, text, suffix in _texts(files):
        for number, job in enumerate(_jobs(name, text, suffix)):
            yield f"{name}, job {number}", job


def _texts(files: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for name in files:
        if name == STDIN:
            yield "stdin", sys.stdin.read(), ""
            continue
        path = Path(name)
        parts = sorted(each for each in path.glob("*") if each.suffix in KINDS) if path.is_dir() else [path]
        if not parts:
            raise NotThere(f"{path}: has no *.json and no *.toml")
        for part in parts:
            try:
                yield str(part), part.read_text("utf-8"), part.suffix
            except OSError as why:
                raise NotThere(f"{part}: {why.strerror}") from why
            except UnicodeDecodeError as why:
                raise Refused(f"{part}: {why}") from why


def _jobs(place: str, text: str, suffix: str) -> list[object]:
    try:
        whole = tomllib.loads(text) if suffix == ".toml" else json.loads(text)
    except ValueError as why:
        raise Refused(f"{place}: {why}") from why
    jobs = whole if isinstance(whole, list) else _named(whole)
    if not isinstance(jobs, list):
        raise Refused(f'{place}: is no set of jobs such as {{"jobs": [...]}}')
    return [_untold(job) for job in jobs] if suffix == ".toml" else jobs


def _named(whole: object) -> object:
    return whole.get("jobs", whole.get("values")) if isinstance(whole, dict) else None


def _untold(job: object) -> object:
    """TOML has no null: `inf` stands for it."""
    return {name: None if value == math.inf else value for name, value in job.items()} if isinstance(job, dict) else job


def _tell(session: Session, answer: Json) -> None:
    values = [part for part in answer["values"] if session.out.form == "wide" or part["what"] != "keep"]
    columns = (
        Column("", lambda part: SIGNS[part["what"]], keep=None, styled=True),
        Column("JOB", lambda part: str(part["id"]), keep=None, cut=True),
        Column("WHAT", what, keep=3, cut=True),
        Column("NEXT", lambda part: session.times.short(part["due_after"]), keep=1,
               full=lambda part: session.times.full(part["due_after"])),
    )  # fmt: skip
    session.out.rows(values, columns)


def what(part: Json) -> str:
    """How a job would change."""
    before, after = part["before"] or {}, part["after"] or {}
    if part["what"] != "change":
        return ""
    return ", ".join(f"{name}: {told(before.get(name))} -> {told(after.get(name))}" for name in {**before, **after})


def _counted(counts: Json) -> str:
    words = {"create": "to make", "change": "to change", "delete": "to delete", "keep": "as they are"}
    return ", ".join(f"{counts[what]} {text}" for what, text in words.items())


def _ask(session: Session, changes: int) -> None:
    if not sys.stdin.isatty():
        raise Usage("nobody is there to be asked; apply with --yes, or only --plan")
    click.confirm(f"change {many(changes, 'job')} on {session.server.url}?", abort=True, err=True)
