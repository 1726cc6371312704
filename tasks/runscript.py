"""Runs a script or any other program."""

import os
import shlex
from pathlib import Path

from jobsched.task import Command, Info

FOLDER = Path(os.path.abspath(__file__)).parent  # not resolve(): a linked file belongs here


class RunScript:
    """Runs a script, ended after JOB_LIVETIME.

    script      its path; a relative one is relative to the tasks folder, and stays inside of it
    arguments   what it is called with, quoted as for a shell (optional; no shell reads it)
    directory   where it runs, by the same rule as its path (optional; else where the daemon runs)
    """

    def __init__(self, script: str, arguments: str = "", directory: str | None = None) -> None:
        self.program = _inside(script)  # by this name it is looked at when the catalog is read
        self.directory = None if directory is None else _inside(directory)
        self._argv = [self.program, *shlex.split(arguments)]

    def command(self, info: Info) -> Command:
        return Command(self._argv, directory=self.directory)


def _inside(path: str) -> str:
    whole = os.path.normpath(FOLDER / path)
    if not Path(path).is_absolute() and not Path(whole).is_relative_to(FOLDER):
        raise ValueError(f"{path} leaves the tasks folder: write it as an absolute path")
    return whole
