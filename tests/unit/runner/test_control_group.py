"""The control group of a run: on the kernel's own tree where that may be written, and on an ordinary folder."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from uuid import uuid4

import pytest

from jobsched.runner import control_group, group_tree, procfs, recovery
from jobsched.runner.control_group import ControlGroup, ControlGroups
from jobsched.runner.group_tree import Tree, tree_here
from jobsched.runner.session import Usage

SPAWNS = "import os, time\nos.fork() and print(flush=True)\ntime.sleep(1000)"


@pytest.fixture
def groups(monkeypatch):
    monkeypatch.setattr(control_group, "SLOW", 60)  # others may keep the machine busy
    monkeypatch.setattr(group_tree, "FOLDER", f"jobsched-{uuid4().hex}")  # others may test the same
    if (tree := tree_here()) is None:
        pytest.skip("no tree of control groups (cgroup v2) may be written here")
    groups = ControlGroups(tree)
    groups.begin()
    if not groups.group("it").of_use:
        pytest.skip("groups of this kernel cannot be killed, or nobody may be moved into them")
    yield groups
    groups.end()


@contextmanager
def started(group):
    """A process with a child, in that group."""
    with group.inside():
        process = subprocess.Popen([sys.executable, "-c", SPAWNS], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)


def folders(name):
    tree = tree_here()
    assert tree is not None
    return [*tree.folder.glob(name)]


def test_all_of_it_is_killed_and_its_folder_goes(groups):
    group = groups.group("all")
    with started(group) as process:
        others = [each.pid for each in group.with_members([], process.pid)]
        assert others == [each.pid for each in procfs.descendants(process.pid)]
        assert (len(others), group.empty()) == (1, False)
        group.kill()
        assert process.wait() == -signal.SIGKILL
        until(group.empty)
    group.close()

    until(lambda: groups.group("next") and folders("all") == [])  # the kernel may keep the dead for a moment


def test_a_group_stays_as_long_as_it_has_processes(groups):
    group = groups.group("stays")
    with started(group):
        group.close()
        groups.group("next")
        assert len(folders("stays")) == 1
    until(lambda: groups.group("next") and folders("stays") == [])


def test_what_a_killed_daemon_left_is_ended_without_a_mark(groups):
    with started(groups.group("left")):
        run = SimpleNamespace(id="left", pid=None, pid_started=None)
        found = recovery.end_orphans([run], 30)["left"]

    assert found.startswith("its processes (")
    assert found.endswith("were still there and were ended")
    assert folders("left") == []


def test_what_cannot_be_started_leaves_no_group(groups):
    group, before = groups.group("fails"), group_tree._own_group(os.getpid())
    with pytest.raises(FileNotFoundError), group.inside():
        os.posix_spawn("/nowhere", ["it"], {})

    assert folders("fails") == []
    assert group_tree._own_group(os.getpid()) == before


def test_a_folder_without_a_tree_is_of_no_use_and_harmless(tmp_path):
    """An ordinary folder: as before Linux 5.14, it cannot kill."""
    groups = ControlGroups(Tree(tmp_path, tmp_path))
    groups.begin()
    group = groups.group("it")
    with group.inside():
        group.kill()
    group.close()

    assert (group.kills, group.empty(), group.with_members([], 1), group.usage(None)) == (False, False, [], None)


@pytest.mark.parametrize(("moves", "of_use"), [
    ([0.001], True),
    ([0.06, 0.02, 0.001], True),  # the machine was busy
    ([0.06] * control_group.TRIALS, False),
    ([0.06, None], False),  # nothing can be killed there
])  # fmt: skip
def test_one_fast_move_of_a_few_is_enough(tmp_path, monkeypatch, moves, of_use):
    rest = iter(moves)
    monkeypatch.setattr(control_group, "_try", lambda trial, folder: next(rest))
    groups = ControlGroups(Tree(tmp_path, tmp_path))
    groups.begin()

    assert (groups.group("it").of_use, [*rest]) == (of_use, [])


def test_a_daemon_in_the_group_of_a_run_is_no_part_of_it(tmp_path):
    """It could not move back: then the run goes on as without a group."""
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n{os.getppid()}\n")
    group, one_that_works = ControlGroup(tmp_path), ControlGroup(tmp_path, born=True)

    assert (group.with_members([], 1), group.holds(os.getppid())) == ([], False)
    assert [each.pid for each in one_that_works.with_members([], 1)] == [os.getppid()]
    assert one_that_works.holds(os.getppid())


USED = Usage(cpu_seconds=0.2, max_rss=4096)


@pytest.mark.parametrize(("stat", "waited_for", "used"), [
    ("usage_usec 1500000\nuser_usec 1\n", USED, Usage(cpu_seconds=1.5, max_rss=4096)),
    ("usage_usec 1500000\n", None, Usage(cpu_seconds=1.5, max_rss=None)),
    ("usage_usec 100000\n", USED, USED),  # what it used before it was in the group is missing there
    ("", USED, USED),
    ("", None, None),
])  # fmt: skip
def test_the_larger_figure_of_cpu_seconds_is_told(tmp_path, stat, waited_for, used):
    (tmp_path / "cpu.stat").write_text(stat)
    assert ControlGroup(tmp_path).usage(waited_for) == used
