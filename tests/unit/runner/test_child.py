"""A Python task in a process of its own: real children, started as the runner starts them."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from jobsched.config import catalog
from jobsched.runner import child
from jobsched.task import Info
from tests.present import present

ROOT = Path(__file__).parents[3]
DUE = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
INFO = Info("j", 2.5, "r", "ä job", DUE, 2, {"day": ["mon", 1]})

TASKS = """
import json, os, signal, sys
from jobsched.watchdog import watchdog

class T:
    def __init__(self, **options):
        self.options = options

    @watchdog()
    def __call__(self, info):
        getattr(self, self.options["do"])(info)

    def tell(self, info):
        print(json.dumps({**vars(info), "due": info.due.isoformat(), "options": self.options}))
        print("JOBSCHED_CHILD" in os.environ, __name__ in sys.modules, file=sys.stderr)

    def modules(self, info):
        print(*sys.modules)

    def die(self, info):
        print("first")
        print("last", end="")
        os.kill(os.getpid(), signal.SIGKILL)

    def fail(self, info):
        raise ValueError("no luck")

    def leave(self, info):
        sys.exit(int(self.options["status"]))
"""


def run(folder, source=TASKS, **options):
    """What a child did with a task of that source."""
    (folder / "t.py").write_text(source)
    text = "".join(f"{name} = {value}\n" for name, value in options.items())
    (folder / "catalog.cfg").write_text(f"[a]\nfile = t.py\nclass = T\n{text}")
    task = present(catalog.load(folder / "catalog.cfg", folder).get("a"))
    env = {"PYTHONPATH": str(ROOT), child.VARIABLE: child.describe(task, INFO)}
    return subprocess.run(child.argv(), env=env, capture_output=True, text=True, timeout=30, check=False)


def test_the_task_is_made_and_told_as_in_the_daemon(tmp_path):
    done = run(tmp_path, do="tell", phrase="ß %s")

    assert json.loads(done.stdout) == {
        "job_id": "j",
        "timeout": 2.5,
        "run_id": "r",
        "name": "ä job",
        "due": DUE.isoformat(),
        "attempt": 2,
        "parameters": {"day": ["mon", 1]},
        "options": {"do": "tell", "phrase": "ß %s"},
    }
    assert (done.stderr, done.returncode) == ("False True\n", 0)


def test_the_child_imports_nothing_heavy(tmp_path):
    modules = {name.partition(".")[0] for name in run(tmp_path, do="modules").stdout.split()}
    heavy = {"twisted", "zope", "attr", "attrs", "sqlalchemy", "msgspec", "klein", "asyncio", "logging", "inspect"}

    assert "jobsched" in modules
    assert not modules & (heavy | {"typing", "dataclasses", "traceback", "pathlib"})


def test_what_a_killed_child_printed_last_is_kept(tmp_path):
    done = run(tmp_path, do="die")

    assert (done.stdout, done.returncode) == ("first\nlast", -9)


def test_an_exception_shows_from_the_tasks_own_frame_on(tmp_path):
    done = run(tmp_path, do="fail")
    lines = done.stderr.splitlines()

    assert done.returncode == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith(f'  File "{tmp_path}/t.py", line ')
    assert lines[-1] == "ValueError: no luck"
    assert "child.py" not in done.stderr


@pytest.mark.parametrize("status", ["0", "7"])
def test_sys_exit_is_as_in_python(tmp_path, status):
    done = run(tmp_path, do="leave", status=status)

    assert (done.returncode, done.stderr) == (int(status), "")


@pytest.mark.parametrize(
    ("source", "last"),
    [("class T(:", "SyntaxError: invalid syntax"), ("1 / 0", "ZeroDivisionError: division by zero")],
)
def test_a_file_that_was_broken_meanwhile_is_the_runs_failure(tmp_path, source, last):
    (tmp_path / "t.py").write_text(source)
    order = {"file": str(tmp_path / "t.py"), "class": "T", "options": {}}
    order["info"] = {**vars(INFO), "due": DUE.astimezone(UTC).isoformat()}
    env = {**os.environ, "PYTHONPATH": str(ROOT), child.VARIABLE: json.dumps(order)}
    done = subprocess.run(child.argv(), env=env, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == last
    assert "child.py" not in done.stderr


def test_started_by_hand_it_says_that_it_is_not_for_that():
    env = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(child.argv(), env=env, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stderr) == (
        1,
        "JOBSCHED_CHILD is not set: this program is started by Jobsched\n",
    )
