"""`jobsched verify`, `backup` and `restore`: the store of this host."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from ... import verify
from ...daemon.folder_lock import locks
from ...model.errors import JobschedError
from ...model.job import Job
from ...model.owed import Situation, owed
from ...model.printable import many
from ...store import opening
from ..client import Json
from ..errors import DONE, NotThere, Refused, Usage
from ..output import Column
from ..session import Session, pass_session
from ..times import now
from .folders import both, store_of

BESIDE = ("", "-wal", "-shm")  # the files of an SQLite store


@click.command("verify")
@both
@click.option("--store", metavar="URL", help="The database; that of jobsched.cfg, by default.")
@click.option("--whole", is_flag=True, help="No run was pruned yet: look from each job's first due on.")
def verify_command(conf_dir: Path, state_dir: Path, store: str | None, whole: bool) -> int:
    """Look through the store for what must never be there. Nothing is written, and daemons may be running."""
    url = store or store_of(conf_dir, state_dir)
    return verify.main(["--store", url, *(["--whole"] if whole else [])])


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@both
@click.option("--replace", is_flag=True, help="Also where FILE is there already.")
@pass_session
def backup_command(session: Session, file: Path, conf_dir: Path, state_dir: Path, replace: bool) -> int:
    """Copy the store to FILE, while daemons run. Output of runs is not in it: that is in the folder `output`.

    For PostgreSQL and MariaDB the line is shown that does it, with exit status 2.
    """
    source = _sqlite(session, store_of(conf_dir, state_dir), file, dump=True)
    if file.exists() and not replace:
        raise Refused(f"{file} is there already; --replace puts another in its place")
    if not file.absolute().parent.is_dir():
        raise NotThere(f"{file.absolute().parent}: no such folder")
    try:
        opening.copy(source, file)
    except JobschedError as why:
        raise Refused(str(why)) from why
    session.out.show(f"{source} was copied to {file}, {file.stat().st_size} bytes")
    return DONE


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@both
@click.option("--check", is_flag=True, help="Only look at FILE, and say what would be; a daemon may run.")
@pass_session
def restore_command(session: Session, file: Path, conf_dir: Path, state_dir: Path, check: bool) -> int:
    """Put a copy in the place of the store, once no daemon lives. The store that was there is kept beside it.

    It is said which dues would be decided again: those that passed since the copy was made.
    """
    url = store_of(conf_dir, state_dir)
    target = _sqlite(session, url, file, dump=False)
    if not file.is_file():
        raise NotThere(f"{file}: no such file")
    try:
        opening.check(file)
        rows = list(_looked_at(file))
        _tell(session, rows)
        if check:
            return DONE
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = locks(state_dir.absolute(), url)
        kept = _put(file, target)
        del held
    except (JobschedError, OSError) as why:
        raise Refused(str(why)) from why
    session.out.show(f"{target} is what {file} was" + (f"; the one before is kept as {kept}" if kept else ""))
    return DONE


def _sqlite(session: Session, url: str, file: Path, dump: bool) -> Path:
    """The file of the store. For a server, shows the line of its own program, and raises Usage."""
    found = opening.file_of(url)
    if found is not None:
        return found
    session.out.show(_line(url, file, dump))
    raise Usage(f"{opening.make_url_safe(url)} is a server's: use the line above, which asks for the password itself")


def _line(url: str, file: Path, dump: bool) -> str:
    parts = urlsplit(url)
    name = shlex.quote(unquote(parts.path.removeprefix("/")))
    host = f"--host={shlex.quote(parts.hostname)} " if parts.hostname else ""
    port = f"--port={parts.port} " if parts.port else ""
    user = shlex.quote(unquote(parts.username)) if parts.username else ""
    to = shlex.quote(str(file))
    if parts.scheme.startswith("postgresql"):
        who = f"{host}{port}" + (f"--username={user} " if user else "")
        return f"pg_dump --format=custom {who}--file={to} {name}" if dump else (
            f"pg_restore --clean --if-exists --single-transaction {who}--dbname={name} {to}")  # fmt: skip
    who = f"{host}{port}" + (f"--user={user} --password " if user else "")
    return f"mariadb-dump --single-transaction {who}{name} > {to}" if dump else f"mariadb {who}{name} < {to}"


def _looked_at(file: Path) -> Iterator[Json]:
    """What would be decided again, job by job, looked at in a copy that is brought to this version's schema."""
    with tempfile.TemporaryDirectory(prefix="jobsched-") as folder:
        copy = Path(folder) / "copy.sqlite"
        opening.copy(file, copy)
        url = f"sqlite:///{copy}"
        opening.migrate(url)
        with opening.snapshot(url) as view:
            for job_id, job, runs in view.histories():
                for _ in runs:
                    pass
                if job is not None:
                    yield {"id": job_id, "name": job.name, **_again(job)}


def _again(job: Job) -> Json:
    moment = now()
    if job.next_due is None or job.paused or job.next_due > moment:
        return {"run": [], "missed": 0}
    situation = Situation(next_due=job.next_due, now=moment, able_since=moment - timedelta(seconds=1))
    stretches = owed(job.schedule, job.policy, situation).stretches
    return {
        "run": [each.due.isoformat() for each in stretches if each.fate in ("run", "queue")],
        "missed": sum(each.count for each in stretches if each.fate not in ("run", "queue")),
    }


def _tell(session: Session, rows: list[Json]) -> None:
    again = [row for row in rows if row["run"] or row["missed"]]
    times = session.times
    columns = (
        Column("JOB", lambda row: str(row["name"]), keep=None, cut=True),
        Column("WOULD RUN AGAIN", lambda row: ", ".join(map(times.full, row["run"])) or "-", keep=3, cut=True),
        Column("WOULD BE MISSED", lambda row: str(row["missed"]), keep=2, right=True),
    )
    if session.out.people:
        session.out.show(f"{many(len(rows), 'job')}; dues of {len(again)} passed since the copy was made")
    session.out.rows(again, columns)


def _put(file: Path, target: Path) -> Path | None:
    """Put a copy of `file` in the place of the store; where the one before is kept."""
    new = target.with_name(f".{target.name}.restored")
    opening.copy(file, new)
    kept = None
    if target.exists():
        kept = target.with_name(f"{target.name}.before-{now():%Y%m%dT%H%M%S}")
        for suffix in BESIDE:
            part = target.with_name(target.name + suffix)
            if part.exists():
                shutil.move(part, kept.with_name(kept.name + suffix))
    os.replace(new, target)
    return kept
