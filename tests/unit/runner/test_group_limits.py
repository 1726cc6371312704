"""Limits of whole runs: on folders that look like the kernel's tree, and on that itself where it may be written."""

import os
import subprocess
from contextlib import suppress
from uuid import uuid4

import pytest

from jobsched.model.rlimits import ResourceLimits
from jobsched.runner import control_group, group_limits, group_tree
from jobsched.runner.control_group import ControlGroup, ControlGroups
from jobsched.runner.group_limits import GroupLimits, reached
from jobsched.runner.group_tree import Tree, tree_here
from jobsched.runner.session import Usage

MEMORY, PIDS, SHARE = ResourceLimits(memory_total=2**20), ResourceLimits(pids=5), ResourceLimits(cpu_share=20)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """As under `DelegateSubgroup=main`, with two controllers."""
    monkeypatch.setattr(control_group, "_move", lambda group: (group / "cgroup.procs").write_text("0"))
    (tmp_path / "main").mkdir()
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    return Tree(tmp_path, tmp_path / "main")


@pytest.mark.parametrize(("limits", "files"), [
    (ResourceLimits(), {}),
    (ResourceLimits(nice=3, memory=2**30), {}),
    (MEMORY, {"memory.max": "1048576", "memory.oom.group": "1"}),
    (SHARE, {"cpu.weight": "20"}),
])  # fmt: skip
def test_a_group_gets_its_limits_before_its_first_process(tree, limits, files):
    group = ControlGroup(tree.folder / "run", tree.home, limits=tree.limits)
    group.limit(limits)
    with group.inside():
        written = {file.name: file.read_text() for file in (tree.folder / "run").iterdir()}
    assert written == files | {"cgroup.procs": "0"}


def test_controllers_are_asked_for_at_both_levels(tree):
    tree.limits.files(MEMORY)
    asked = [(each / "cgroup.subtree_control").read_text() for each in (tree.base, tree.folder)]
    assert asked == ["+memory", "+memory"]


@pytest.mark.parametrize(("change", "limits", "words"), [
    (lambda base: None, PIDS, "limit pids=5: {base} has no controller pids"),
    (lambda base: (base / "cgroup.controllers").unlink(), MEMORY, "No such file"),
    (lambda base: (base / "cgroup.subtree_control").mkdir(), MEMORY, "Is a directory"),
])  # fmt: skip
def test_a_limit_that_cannot_be_set_is_refused_in_words(tree, change, limits, words):
    change(tree.base)
    group = ControlGroup(tree.folder / "run", tree.home, limits=tree.limits)
    with pytest.raises(OSError, match=words.format(base=tree.base)):
        group.limit(limits)


def test_where_processes_live_above_there_are_none(tree):
    (tree.base / "cgroup.type").write_text("domain\n")
    crowded = Tree(tree.base, tree.base)
    assert crowded.crowded
    with pytest.raises(OSError, match=r"limit cpu_share=20: this process is in .* itself"):
        crowded.limits.files(SHARE)
    assert not (tree.base / "cgroup.subtree_control").exists(), "systemd could start nothing in there any more"
    assert not Tree(tree.base, tree.home).crowded


@pytest.mark.parametrize("limits", [MEMORY, PIDS, SHARE])
def test_without_groups_there_are_none(limits):
    group = ControlGroups(None).group("run")
    group.limit(ResourceLimits(nice=1))
    with pytest.raises(OSError, match=r"limit \w+=\d+: it takes an executor"):
        group.limit(limits)


def test_a_limit_that_is_refused_late_starts_nothing(tree):
    group = ControlGroup(tree.folder / "run", tree.home, limits=tree.limits)
    group.limit(MEMORY)
    (tree.folder / "run" / "memory.max").mkdir(parents=True)  # so it cannot be written
    with pytest.raises(OSError, match="the limits of its control group could not be set"), group.inside():
        pytest.fail("the run has begun")


def test_a_folder_that_was_cleared_away_is_made_anew(tree, monkeypatch):
    group = ControlGroup(tree.folder / "run", tree.home, limits=tree.limits)
    group.limit(MEMORY)
    gone = [OSError("no such file")]
    move = control_group._move
    monkeypatch.setattr(control_group, "_move", lambda to: move(to) if not gone else _fail(gone.pop()))
    with group.inside():
        assert (tree.folder / "run" / "memory.max").read_text() == "1048576"
    assert group.kills


def _fail(why):
    raise why


@pytest.mark.parametrize(("events", "maximum", "words"), [
    (b"low 0\nmax 12\noom 1\noom_kill 3\n", b"104857600\n", "its processes reached memory_total, 100 MiB together"),
    (b"low 0\nmax 12\noom 0\noom_kill 0\n", b"104857600\n", ""),
    (b"oom_kill 1\n", b"max\n", ""),  # for want of memory in general
    (b"", b"", ""),
])  # fmt: skip
def test_a_run_that_was_too_large_is_told(events, maximum, words):
    said = reached(events, maximum)
    assert said.startswith(words)
    assert bool(said) == bool(words)


def test_the_memory_of_all_is_told_where_it_is_counted(tree):
    used = Usage(cpu_seconds=0.2, max_rss=4096)
    group = ControlGroup(tree.folder / "run", tree.home, limits=tree.limits)
    (tree.folder / "run").mkdir(parents=True)
    assert group.usage(used) == used
    (tree.folder / "run" / "memory.peak").write_text("81920\n")
    assert group.usage(used) == Usage(cpu_seconds=0.2, max_rss=81920)


@pytest.fixture
def own(monkeypatch):
    """A group of the kernel's for this test, with a controller that is there, and one below for the process."""
    found = tree_here()
    if found is None:
        pytest.skip("no tree of control groups (cgroup v2) may be written here")
    offered = (found.base / "cgroup.controllers").read_text().split()
    known = {"hugetlb": "hugetlb.2MB.max", "pids": "pids.max", "memory": "memory.max"}
    usable = [name for name in offered if name in known]
    if not usable or found.crowded:
        pytest.skip(f"no controller can be asked for here: of {offered}; in the way: {found.crowded}")
    monkeypatch.setattr(group_limits, "CONTROLLERS", {"pids": usable[0]})
    monkeypatch.setattr(group_limits, "FILES", {"pids": known[usable[0]]})
    switch = found.base / "cgroup.subtree_control"
    before = switch.read_text().split()
    switch.write_text(f"+{usable[0]}")
    base = found.base / f"jobsched-{uuid4().hex}"
    (base / "main").mkdir(parents=True)
    yield Tree(base, base / "main"), base / "jobsched" / "run" / known[usable[0]]
    for each in (*base.glob("jobsched/*/"), base / "jobsched", base / "main", base):
        with suppress(FileNotFoundError):
            each.rmdir()
    if usable[0] not in before:
        switch.write_text(f"-{usable[0]}")


def test_the_kernel_takes_a_limit(own):
    tree, file = own
    group = ControlGroup(tree.folder / "run", tree.base.parent, limits=tree.limits)
    group.limit(ResourceLimits(pids=2**21))
    with group.inside():
        process = subprocess.Popen(["sleep", "1000"])
    try:
        assert int(file.read_text()) == 2**21
        assert group.holds(process.pid)
    finally:
        group.kill()
        process.wait()
        group.close()


def test_the_kernel_refuses_where_processes_live_above(own):
    tree, _ = own
    process = subprocess.Popen(["sleep", "1000"])
    try:
        (tree.base / "cgroup.procs").write_text(str(process.pid))
        assert GroupLimits(tree.base, tree.folder, crowded=False)._enable(group_limits.CONTROLLERS["pids"]), "not said"
    finally:
        process.kill()
        process.wait()


def test_a_process_in_a_group_below_leaves_that_above_to_runs(own, monkeypatch):
    """As `DelegateSubgroup=` has it; here systemd says nothing, so the one above must be the top of the tree."""
    tree, _ = own
    monkeypatch.setattr(group_tree, "SYSTEMD", tree.base / "nowhere")
    assert group_tree._is_ours(tree.base, tree.home, top=tree.base)
    assert not group_tree._is_ours(tree.base, tree.home, top=tree.base.parent)
    monkeypatch.setattr(group_tree, "SYSTEMD", tree.base)
    assert not group_tree._is_ours(tree.base, tree.home, top=tree.base)
    os.setxattr(tree.base, "trusted.delegate", b"1")
    assert group_tree._is_ours(tree.base, tree.home, top=tree.base.parent)
