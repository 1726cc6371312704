"""`jobsched edit`: a job in an editor, as the shortest request that makes it."""

from __future__ import annotations

import difflib
import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import click

from .. import find
from ..client import Json
from ..errors import CommandError, NotThere, Refused, Usage
from ..session import Session, pass_session
from .change import changed

HEAD = """\
// {name}: what is left out has its default; "***" keeps a secret. Lines that begin with // count for nothing.
// An empty file changes nothing.
"""


@click.command("edit")
@click.argument("job", type=find.JOB)
@pass_session
def edit_command(session: Session, job: str) -> None:
    """Change JOB in $VISUAL or $EDITOR; the difference is shown, and sent if nobody was faster."""
    before = find.job(session.client, job)
    old = request_of(session, before)
    file = Path(tempfile.mkdtemp(prefix="jobsched-")) / f"{before['id']}.json"
    text = json.dumps(old, indent=2, ensure_ascii=False) + "\n"
    file.write_text(HEAD.format(name=json.dumps(before["name"])) + text, "utf-8")
    try:
        new = _edited(file)
        if new is None or new == old:
            session.out.show(f"{before['name']} is as it was")
            _forget(file)
            return
        _tell(session, text, json.dumps(new, indent=2, ensure_ascii=False) + "\n")
        changed(session, before, "PUT", new)
    except CommandError as why:
        raise type(why)(f"{why}; what you wrote is in {file}") from None
    session.out.show(f"{before['name']} is changed")
    _forget(file)


def request_of(session: Session, job: Json) -> Json:
    """The shortest request that makes a job."""
    query = {"as": "request", "name": job["name"]}
    for found in session.client.pages("/jobs", query, lookup=True):
        if found["id"] == job["id"]:
            return found
    raise NotThere(f"{job['name']} is gone")


def _edited(file: Path) -> Json | None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        done = subprocess.run([*shlex.split(editor), str(file)], check=False)
    except OSError as why:
        raise Usage(f"{editor}: {why.strerror}; set VISUAL or EDITOR") from why
    if done.returncode:
        raise Refused(f"{editor} ended with {done.returncode}, and nothing was changed")
    kept = [line for line in file.read_text("utf-8").splitlines() if not line.lstrip().startswith("//")]
    if not "".join(kept).strip():
        return None
    try:
        found = json.loads("\n".join(kept))
    except ValueError as why:
        raise Refused(f"this is no JSON: {why}") from why
    if not isinstance(found, dict):
        raise Refused("this is no object")
    return found


def _tell(session: Session, old: str, new: str) -> None:
    for line in list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1))[2:]:
        style = {"+": "green", "-": "red"}.get(line[:1], "dim")
        session.out.show(line, style)


def _forget(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.parent.rmdir()
