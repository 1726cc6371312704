"""`jobsched serve`: the daemon in the foreground, without the words of `twistd`."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import click

from ..errors import NotThere, Refused
from ..session import Session, pass_session
from .folders import tasks_dir

MADE: Final = ("conf", "tasks")


@click.command("serve")
@click.option(
    "--conf-dir",
    type=click.Path(path_type=Path),
    default="conf",
    show_default=True,
    help="Folder with jobsched.cfg, catalog.cfg and logging.cfg.",
)
@tasks_dir
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    default="var",
    show_default=True,
    help="Folder for the database and for what runs print.",
)
@click.option("--listen", multiple=True, metavar="ENDPOINT", help="Such as tcp:8080:interface=127.0.0.1.")
@click.option("--no-init", is_flag=True, help="Make no folders; refuse where there are none.")
@pass_session
def serve_command(
    session: Session, conf_dir: Path, tasks_dir: Path, state_dir: Path, listen: Sequence[str], no_init: bool
) -> NoReturn:  # fmt: skip
    """Start the daemon; Ctrl-C ends it, in order. Where there is no conf/, it makes conf/ and tasks/ first."""
    if not conf_dir.exists():
        if no_init:
            raise NotThere(f"{conf_dir}: no such folder; without --no-init it is made, with what is usual")
        _init(session, conf_dir, tasks_dir)
    arguments = ["--conf-dir", str(conf_dir), "--tasks-dir", str(tasks_dir), "--state-dir", str(state_dir)]
    for endpoint in listen:
        arguments += ["--listen", endpoint]
    from twisted.scripts import twistd

    sys.argv[:] = ["jobsched", "--nodaemon", "--pidfile=", "jobsched", *arguments]
    twistd.run()
    sys.exit(0)


def _init(session: Session, conf_dir: Path, tasks_dir: Path) -> None:
    """Make the folders, and say what to do next."""
    shipped = _shipped()
    made = []
    for name, folder in zip(MADE, (conf_dir, tasks_dir), strict=True):
        if not folder.exists():
            try:
                shutil.copytree(shipped / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
            except OSError as why:
                raise Refused(f"{folder}: cannot be made: {why.strerror or why}") from why
            made.append(f"{folder}/")
    session.out.note(f"made {' and '.join(made)}; next, in another terminal:", "bold")
    session.out.note("  jobsched add hello --task runfoo --every 1m")
    session.out.note("  jobsched run hello --follow")


def _shipped() -> Path:
    """Where the conf and tasks are that came with this version. Raises NotThere."""
    import site

    checkout = Path(__file__).parents[3]
    bases = [Path(base) for base in (sysconfig.get_path("data"), sys.prefix, site.getuserbase())]
    bases += Path(__file__).parents[6:7]  # beside lib/python3.x/site-packages
    for place in (checkout, *(base / "share" / "jobsched" for base in bases)):
        if all((place / name).is_dir() for name in MADE) and (place / "conf" / "catalog.cfg").is_file():
            return place
    raise NotThere("the conf and tasks that come with Jobsched are not installed; make the folders by hand")
