"""Tasks by their commands: which programs are known, and as whom they run."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from jobsched.config import catalog, commands
from jobsched.formats import KnownTask

TASKS = """
from jobsched.task import Command

class Script:
    def __init__(self, script, arguments=""):
        self.program = script
    def command(self, info):
        return Command([self.program])

class Mute:
    def command(self, info):
        return Command(["true"])

class Plain:
    program = "/bin/true"
    def __call__(self, info): ...
"""


@pytest.mark.parametrize(
    ("section", "argv"),
    [
        ("class = Script\nscript = /bin/true", ("/bin/true",)),
        ("class = Script\nscript = /bin/true\narguments = -a 'b c'", ("/bin/true", "-a", "b c")),
        ("class = Script\nscript = /bin/true\narguments = it's", ()),
        ("class = Mute", ()),
        ("class = Plain", ()),
    ],
)
def test_the_command_of_a_task(section: str, argv: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text(TASKS)
    (tmp_path / "catalog.cfg").write_text(f"[t]\nfile = t.py\nparameters = a, b\n{section}\n")
    [task] = catalog.load(tmp_path / "catalog.cfg", tmp_path).tasks.values()
    wanted = KnownTask(name="t", parameters=("a", "b"), argv=argv, user=getpass.getuser())
    assert commands.known_task(task) == wanted


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text(TASKS)
    (tmp_path / "catalog.cfg").write_text("[t]\nfile = t.py\nclass = Mute\n")
    [task] = catalog.load(tmp_path / "catalog.cfg", tmp_path).tasks.values()
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000_000)
    assert commands.known_task(task).user is None
