"""`jobsched lint`: catalog, configuration, tokens and scripts, checked without a daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from ...config import catalog, options, tokens
from ...model.errors import JobschedError
from ..errors import DONE, REFUSED
from ..output import Column
from ..session import Session, pass_session
from .folders import both, tasks_dir


@click.command("lint")
@both
@tasks_dir
@pass_session
def lint_command(session: Session, conf_dir: Path, state_dir: Path, tasks_dir: Path) -> int:  # fmt: skip
    """Check the files of the daemon before it is started, or told to read them again. Exit with 1 if one is bad."""
    found = [
        {"file": file, "problem": problem}
        for file, problem in problems(conf_dir.absolute(), state_dir.absolute(), tasks_dir.absolute())
    ]
    columns = (
        Column("FILE", lambda row: str(row["file"]), keep=1),
        Column("PROBLEM", lambda row: str(row["problem"]), keep=None),
    )
    session.out.rows(found, columns, empty="nothing is wrong")
    return REFUSED if found else DONE


def problems(conf: Path, state: Path, tasks: Path) -> Iterator[tuple[str, str]]:
    """Each file, and what is wrong with it."""
    configured: list[options.Config] = []
    loaded: list[catalog.Catalog] = []
    yield from _tried("jobsched.cfg", lambda: configured.append(options.load(conf, state)))
    yield from _tried("catalog.cfg", lambda: loaded.append(_catalog(conf, tasks, configured)))
    yield from _tried("tokens.cfg", lambda: tokens.load(conf / tokens.FILE))
    for warning in configured[0].warnings if configured else ():
        yield "jobsched.cfg", str(warning)
    for task in loaded[0].tasks.values() if loaded else ():
        if task.problem:
            yield "catalog.cfg", f"[{task.name}] {task.problem}"


def _catalog(conf: Path, tasks: Path, configured: Sequence[options.Config]) -> catalog.Catalog:
    return catalog.load(conf / "catalog.cfg", tasks, configured[0].run_as if configured else None)


def _tried(file: str, look: Callable[[], object]) -> Iterator[tuple[str, str]]:
    try:
        look()
    except JobschedError as why:
        yield file, str(why)
