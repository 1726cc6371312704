"""What is proposed for lines of a crontab that cannot be jobs yet."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched import formats
from jobsched.cli import proposal

TASKS = [formats.KnownTask(name="report", parameters=("day",), argv=("/bin/report",))]


def refused(text: str, users: bool = False) -> dict[int, list[str]]:
    try:
        formats.read("system-crontab" if users else "crontab", text, TASKS)
    except formats.BadJobs as why:
        return proposal.by_line((each.pointer, each.detail) for each in why.all)
    return {}


def proposed(text: str, users: bool = False) -> proposal.Proposal:
    return proposal.propose(text, refused(text, users), [task.name for task in TASKS], users)


@pytest.mark.parametrize(
    ("line", "instead", "section"),
    [
        ("@daily report", "@daily report", ""),
        ("@daily /bin/x -a 1", "@daily x",
         "[x]\nfile = runscript.py\nclass = RunScript\nscript = /bin/x\narguments = -a 1"),
        ("0 3 * * * x.py", "0 3 * * * x", "[x]\nfile = runscript.py\nclass = RunScript\nscript = x.sh"),
        ("0 3 * * * A=1 ./report", "0 3 * * * report-2",
         "[report-2]\nfile = runscript.py\nclass = RunScript\nscript = report-2.sh"),
        ("@daily report week=1", "@daily report week=1",
         "# in a section that is there:\n# [report]\n# parameters = day, week"),
        ("0 3 * *", None, ""),
        ("99 3 * * * /bin/x", None, ""),
        ("A=b", None, ""),
    ],
)  # fmt: skip
def test_a_line_and_its_section(line: str, instead: str | None, section: str) -> None:
    made = proposed(line + "\n@daily report\n")
    assert made.catalog.strip() == section
    if instead is None:
        assert made.crontab.split("\n")[1] == f"# {line}"
    else:
        assert made.crontab.split("\n")[0] == instead


def test_two_lines_with_one_command_share_a_section() -> None:
    made = proposed("0 3 * * * /bin/x\n0 4 * * * /bin/x\n0 5 * * * report\n0 6 * * * report\n")
    assert made.crontab == (
        "0 3 * * * x\n# id: x-2\n0 4 * * * x\n0 5 * * * report\n# id: report-2\n0 6 * * * report\n"
    )  # fmt: skip
    assert made.catalog.count("[") == 1


def test_the_user_of_a_line_goes_into_its_section() -> None:
    made = proposed("0 3 * * * alice a | b\n", users=True)
    assert made.crontab == "0 3 * * * alice a\n"
    assert made.catalog.endswith("script = a.sh\nuser = alice\n")


def test_a_script_does_what_cron_would_do(tmp_path: Path) -> None:
    made = proposed(r"""A='it is'
0 3 * * * echo "$A" $((1+2)) 100\% && cat%one%two three""")
    script = tmp_path / "x"
    script.write_text(made.scripts["echo.sh"])
    done = subprocess.run(["sh", script], capture_output=True, text=True, check=True)
    assert done.stdout == "it is 3 100%\none\ntwo three\n"


@given(st.lists(st.text("@#daily \t*/0123456789abreport=%|$'\"\\.-[", max_size=40), max_size=8))
def test_what_is_proposed_is_never_refused_twice(lines: list[str]) -> None:
    """Each line stands aside, asks for a change of the catalog, or becomes a task that will be there."""
    text = "\n".join(lines)
    made = proposed(text)
    names = [section.partition("]")[0].strip("[") for section in made.sections if section.startswith("[")]
    assert len(set(names)) == len(names)
    tasks = [*TASKS, *(formats.KnownTask(name=name) for name in names)]
    try:
        formats.read("crontab", made.crontab, tasks)
    except formats.BadJobs as why:
        for each in why.all:
            assert "\n\n[report]\n" in each.detail or "there is no job in it" in each.detail, (text, each.detail)
