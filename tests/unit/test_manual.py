"""The man page: it is made from docs/manual.rst, reads well, and leaves nothing out."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import click
import pytest

from jobsched import token, verify
from jobsched.cli import app
from jobsched.cli.session import Session
from jobsched.runner import launch
from jobsched.tap import Options
from jobsched.task import Command, Info

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "packaging" / "man"
SOURCE = (ROOT / "docs" / "manual.rst").read_text("utf-8")


@pytest.mark.slow
def test_the_shipped_page_is_what_the_docs_say(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="Sphinx is not installed; requirements-test.txt has it")
    made = subprocess.run(
        [sys.executable, "-B", "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-b", "man", "-d",
         str(tmp_path / "doctrees"), str(ROOT / "docs"), str(tmp_path / "man")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout
    made_pages = {page.name: page.read_text("utf-8") for page in (tmp_path / "man").iterdir()}
    assert set(made_pages) == {"jobsched.1", "jobsched-command.1"}
    for name, fresh in made_pages.items():
        assert (PAGES / name).read_text("utf-8") == fresh, (
            "make it anew: sphinx-build -b man -d $(mktemp -d) docs packaging/man"
        )


def man(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """What man(1) shows."""
    (folder / "man1").symlink_to(PAGES)
    return subprocess.run(
        ["man", "--warnings", "--no-subpages", "-M", folder, "1", name],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["jobsched", "twistd-jobsched"])
def test_man_shows_it_without_a_warning(tmp_path: Path, name: str) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed; Debian has it in man-db")
    shown = man(tmp_path, name)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "jobsched - a job scheduler driven by curl" in shown.stdout
    heads = re.findall(r"^[A-Z][A-Z ]+$", shown.stdout, re.MULTILINE)
    assert {"SYNOPSIS", "OPTIONS", "FILES", "SIGNALS", "ENVIRONMENT", "EXIT STATUS"} <= set(heads)


def test_man_shows_the_page_of_the_command(tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed; Debian has it in man-db")
    shown = man(tmp_path, "jobsched-command")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "jobsched-command - look after jobs from a terminal" in shown.stdout
    assert "jobsched runs [OPTIONS] [JOB]" in shown.stdout
    assert "<>" not in shown.stdout


def test_every_option_is_in_it() -> None:
    named = [name.removeprefix("opt_") for name in vars(Options) if name.startswith("opt_")]
    for name in [parameter[0] for parameter in Options.optParameters] + named:
        assert re.search(rf"^--{name} [A-Z]+  +\S", SOURCE, re.MULTILINE), name


@pytest.mark.parametrize("command", [token, verify])
def test_every_option_of_the_small_commands_is_in_it(
    command: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        command.main(["--help"])
    options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", capsys.readouterr().out, re.MULTILINE)) - {"--help"}
    assert options
    assert f"**python -m {command.__name__}**" in SOURCE
    assert [option for option in options if f"**{option}**" not in SOURCE] == []


def test_every_variable_that_a_run_is_given_is_in_it() -> None:
    info = Info("job", 60.0, "run", "name", datetime(2026, 3, 1, tzinfo=UTC), 1, {"name": "x"})
    given = set(launch.environment(info, Command(["true"]), {}))
    assert set(re.findall(r"\*\*(JOBSCHED_[A-Z_]+)\*\*", SOURCE)) - {"JOBSCHED_"} == {
        name.removesuffix("NAME") if name == "JOBSCHED_PARAM_NAME" else name for name in given
    }


def examples() -> list[list[str]]:
    """The words of each example of the command, in its page."""
    text = (ROOT / "docs" / "command.rst").read_text("utf-8")
    return [shlex.split(line)[1:] for line in re.findall(r"^   \$ (jobsched .*?)(?: > .*)?$", text, re.MULTILINE)]


@pytest.mark.parametrize("words", examples(), ids=" ".join)
def test_the_examples_of_the_command_are_understood(words: list[str]) -> None:
    name, *rest = words or ["status"]
    command = app.load(name)
    if isinstance(command, click.Group):
        command, rest = command.commands[rest[0]], rest[1:]
    command.make_context(name, rest, obj=Session())


def test_every_command_has_its_place_in_the_page() -> None:
    text = (ROOT / "docs" / "command.rst").read_text("utf-8")
    assert set(re.findall(r"^\.\. command:: (\w+)$", text, re.MULTILINE)) == set(app.ALL)
