"""What a command on this host's files is told: where configuration and state are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ...config import options
from ...model.errors import JobschedError
from ..errors import Refused

F = TypeVar("F", bound=Callable[..., Any])  # a function that click calls

conf_dir = click.option("--conf-dir", type=click.Path(path_type=Path), default="conf", show_default=True,
                        help="Folder with jobsched.cfg.")  # fmt: skip
state_dir = click.option("--state-dir", type=click.Path(path_type=Path), default="var", show_default=True,
                         help="Folder with the database.")  # fmt: skip
tasks_dir = click.option("--tasks-dir", type=click.Path(path_type=Path), default="tasks", show_default=True,
                         help="Folder with the Python files and scripts of tasks.")  # fmt: skip


def both(function: F) -> F:
    """Adds the options for both folders."""
    return conf_dir(state_dir(function))


def store_of(conf: Path, state: Path) -> str:
    """The URL of the store that the daemon with these folders has. Raises Refused."""
    try:
        return options.load(conf.absolute(), state.absolute()).store
    except JobschedError as why:
        raise Refused(str(why)) from why
