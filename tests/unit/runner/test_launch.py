"""What a run becomes outside: its words and its environment."""

import errno
import os
import shutil
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import attrs
import pytest

from jobsched.config.catalog import Task
from jobsched.config.confinement import Confinement
from jobsched.model.definition import MOST_PARAMETERS, check_parameters, parameters_size
from jobsched.model.errors import Invalid
from jobsched.model.run import Run
from jobsched.runner import child, launch
from jobsched.task import Command, Info

DUE = datetime(2026, 3, 1, 12, tzinfo=UTC)
INFO = Info("job", 60.0, "run", "the name", DUE, 2, {"day": "mon", "dry": True, "count": 3, "wet": False})
RUN = Run(id="run", job_id="job", job_name="the name", task="t", due=DUE, created=DUE, attempt=2,
          parameters={"day": "mon"})  # fmt: skip
OURS = {
    "JOBSCHED_JOB_ID": "job",
    "JOBSCHED_RUN_ID": "run",
    "JOBSCHED_JOB_NAME": "the name",
    "JOBSCHED_DUE": "2026-03-01T12:00:00+00:00",
    "JOBSCHED_ATTEMPT": "2",
    "JOBSCHED_TIMEOUT": "60",
    "JOBSCHED_PARAM_DAY": "mon",
    "JOBSCHED_PARAM_DRY": "true",
    "JOBSCHED_PARAM_COUNT": "3",
    "JOBSCHED_PARAM_WET": "false",
}
NICE, ENV = shutil.which("nice", path=os.defpath), shutil.which("env", path=os.defpath)


def of_kind(kind, call=None):
    return Task(name="t", kind=kind, description="", parameters=(), timeout=None, call=call, file=Path("/t/t.py"),
                class_name="T", options={"a": "b"}, tasks_dir=Path("/t"))  # fmt: skip


def test_a_task_is_told_of_its_run():
    info = launch.information(RUN, 60.0)

    assert vars(info) == {"job_id": "job", "timeout": 60.0, "run_id": "run", "name": "the name", "due": DUE,
                          "attempt": 2, "parameters": {"day": "mon"}}  # fmt: skip


def test_the_environment_is_the_daemons_with_the_runs_variables():
    env = launch.environment(INFO, Command(["x"]), {"PATH": "/bin", "LANG": "C"})

    assert env == {"PATH": "/bin", "LANG": "C", **OURS}


SYSTEMD = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
           "CREDENTIALS_DIRECTORY"]  # fmt: skip


def test_jobscheds_own_part_of_the_environment_is_left_out():
    inherited = {
        "JOBSCHED_CHILD": "secret",
        "JOBSCHED_PARAM_OLD": "1",
        "JOBSCHED_RUN_ID": "outer",
        "MY_JOBSCHED_X": "1",
        **dict.fromkeys(SYSTEMD, "1"),
    }

    assert launch.environment(INFO, Command(["x"]), launch.inherited(inherited)) == {"MY_JOBSCHED_X": "1", **OURS}


def test_the_commands_own_variables_go_before_the_daemons():
    env = launch.environment(INFO, Command(["x"], env={"LANG": "de", "NEW": "1"}), {"LANG": "C"})

    assert (env["LANG"], env["NEW"]) == ("de", "1")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (60.0, "60"),
        (0.1, "0.1"),
        (2.5, "2.5"),
        (1_234_567.0, "1234567"),
        (86_400_000.5, "86400000.5"),
        (1e11, "100000000000"),
    ],
)
def test_the_timeout_is_a_number_that_a_shell_can_compare(seconds, text):
    info = Info("job", seconds, "run", "n", DUE)

    assert launch.environment(info, Command(["x"]), {})["JOBSCHED_TIMEOUT"] == text


def test_a_command_task_says_its_own_words():
    class Script:
        def command(self, info):
            return Command(["echo", info.name])

    assert launch.command_of(of_kind("command", Script()), INFO) == Command(["echo", "the name"])


def test_a_command_that_is_none_is_refused():
    class Script:
        def command(self, info):
            return ["echo"]

    with pytest.raises(TypeError, match=r"command\(\) of task t gave list, not a Command"):
        launch.command_of(of_kind("command", Script()), INFO)


def test_a_process_task_is_a_python_that_is_told_what_to_call():
    command = launch.command_of(of_kind("process"), INFO)

    assert list(command.argv) == child.argv()
    assert list(command.env) == [child.VARIABLE]


@pytest.fixture
def folder(tmp_path):
    script = tmp_path / "script"
    script.write_text("")
    script.chmod(0o755)
    (tmp_path / "data").write_text("")
    (tmp_path / "data").chmod(0o644)
    return tmp_path


CONFINED = Confinement(
    chain=("/usr/bin/nice", "-n", "1", "--"), environment=MappingProxyType({"HOME": "/home/x", "USER": "x"})
)


def test_what_confines_a_run_stands_in_front_of_all(folder):
    script = str(folder / "script")

    assert launch.command_line(Command([script, "x"]), {}, CONFINED) == [*CONFINED.chain, script, "x"]
    there = launch.command_line(Command([script, "x"], directory=folder), {}, CONFINED)
    assert there == [*CONFINED.chain, ENV, "-C", str(folder), "--", script, "x"]  # the user must be let in there


def test_the_environment_tells_of_the_user_that_the_run_is():
    command = Command(["x"], env={"HOME": "/tmp"})
    env = launch.environment(INFO, command, {"HOME": "/root", "USER": "root", "LANG": "C"}, CONFINED)

    assert (env["USER"], env["LANG"], env["HOME"]) == ("x", "C", "/tmp")


def test_a_program_is_started_as_it_is(folder):
    argv = [str(folder / "script"), "-x", "a b"]

    assert launch.command_line(Command(argv), {}) == argv


def test_its_directory_is_taken_without_a_fork_of_the_daemon(folder):
    command = Command([str(folder / "script"), "x"], directory=folder)

    assert launch.command_line(command, {}) == [ENV, "-C", str(folder), "--", *command.argv]


def test_a_program_with_an_equals_sign_is_no_variable(folder):
    command = Command(["./a=b", "x"], directory=folder)
    (folder / "a=b").write_text("#!/bin/sh")
    (folder / "a=b").chmod(0o755)

    assert launch.command_line(command, {}) == [ENV, "-C", str(folder), "--", NICE, "-n", "0", "--", "./a=b", "x"]


def test_a_program_without_a_folder_is_found_on_its_own_path(folder):
    command = Command(["script"])

    assert launch.command_line(command, {"PATH": f"/nowhere:{folder}"}) == [str(folder / "script")]
    with pytest.raises(OSError, match=r"^script: no such program$"):
        launch.command_line(command, {"PATH": "/nowhere"})


def test_a_relative_program_is_relative_to_its_directory(folder):
    assert launch.command_line(Command(["./script"], directory=folder), {})[-1] == "./script"
    with pytest.raises(OSError, match=r"^\./script: no such program$"):
        launch.command_line(Command(["./script"], directory="/"), {})


@pytest.mark.parametrize(
    ("argv", "directory", "words"),
    [
        ("/nowhere/x", None, "/nowhere/x: no such program"),
        ("{folder}/data", None, "{folder}/data: it is not executable"),
        ("{folder}", None, "{folder}: it is a folder"),
        ("{folder}/script", "/nowhere", "/nowhere: no such directory"),
        ("./script", "{folder}/nowhere", "{folder}/nowhere: no such directory"),
        ("{folder}/script", "{folder}/data", "{folder}/data: no such directory"),
    ],
)
def test_what_cannot_be_started_is_refused_in_words(folder, argv, directory, words):
    def fill(text):
        return text and text.format(folder=folder)

    with pytest.raises(OSError) as refused:  # noqa: PT011  # the words are compared whole
        launch.command_line(Command([fill(argv)], directory=fill(directory)), {})
    assert str(refused.value) == fill(words)


def test_a_host_without_the_tools_is_told_so(folder, monkeypatch):
    monkeypatch.setattr(launch, "_tools", {})
    monkeypatch.setattr(os, "defpath", "/nowhere")
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None if name == "env" else which(name, path=path))

    with pytest.raises(OSError, match=r"env: not found \(coreutils"):
        launch.command_line(Command([str(folder / "script")], directory=str(folder)), {})


# What can never be given to a program is known before there is a job.


def refusal(task, name="a job", **parameters):
    with pytest.raises(Invalid) as refused:
        launch.check(task, name, parameters)
    return refused.value.pointer, refused.value.detail


def starts(variable, value):
    """Whether the kernel starts a program with that variable."""
    try:
        pid = os.posix_spawn("/bin/true", ["true"], {variable: value})
    except OSError as why:
        if why.errno != errno.E2BIG:
            raise
        return False
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("kind", ["command", "process"])
def test_as_long_as_may_be_is_just_what_the_kernel_takes(kind):
    name = "JOBSCHED_PARAM_DAY"
    longest = "x" * (launch.MOST_STRING - len(f"{name}=") - 1)
    assert (starts(name, longest), starts(name, longest + "x")) == (True, False)
    words = f"is too long: a program takes {launch.MOST_STRING} bytes of one variable, not {launch.MOST_STRING + 1}"
    assert refusal(of_kind(kind), day=longest + "x") == ("/parameters/day", words)
    if kind == "command":
        launch.check(of_kind(kind), "a job", {"day": longest, "dry": True, "count": 10**300})


@pytest.mark.parametrize("text", ["é", "x", "日", "\U0001f600", '"', "\\", "\n"])
@pytest.mark.parametrize("kind", ["command", "process", "thread", "async"])
def test_what_a_job_may_hold_at_most_any_program_takes(kind, text):
    most = {"text": text * ((MOST_PARAMETERS - len('{"text":""}')) // size_of(text))}
    check_parameters(most)
    launch.check(of_kind(kind), "ä" * 200, most)


def size_of(text):
    return parameters_size({"text": text}) - parameters_size({"text": ""})


def test_options_that_leave_no_room_are_told_at_the_jobs_making():
    task = attrs.evolve(of_kind("process"), options={"text": "x" * launch.MOST_STRING})
    pointer, words = refusal(task)
    assert (pointer, words.startswith("is too long: ")) == ("/parameters", True)
    launch.check(attrs.evolve(task, kind="thread"), "a job", {})


def test_a_daemon_whose_environment_is_full_says_so(monkeypatch):
    monkeypatch.setattr(launch, "_sizes_usual", launch._sizes_usual.__wrapped__)  # read anew
    for number in range(os.sysconf("SC_ARG_MAX") // 100_000 + 1):
        monkeypatch.setenv(f"LARGE_{number}", "x" * 100_000)
    pointer, words = refusal(of_kind("command"), day="mon")
    assert (pointer, words.startswith("are too much: ")) == ("/parameters", True)


@pytest.mark.parametrize("kind", ["command", "process"])
def test_the_check_counts_all_that_a_program_is_given(kind, monkeypatch):
    monkeypatch.setattr(launch, "MOST_WHOLE", 0)
    monkeypatch.setenv("HOME", "/home/daemon")
    monkeypatch.setattr(launch, "_sizes_usual", launch._sizes_usual.__wrapped__)  # read anew
    theirs = {"HOME": "/srv/other", "SHELL": "/bin/sh"}
    task = attrs.evolve(of_kind(kind), confinement=Confinement(environment=theirs))
    info = Info(**vars(launch.ANYBODY) | {"name": "a job", "parameters": {"day": "mon"}})
    command = Command(["x"], env={child.VARIABLE: child.describe(task, info)} if kind == "process" else {})
    given = launch.environment(info, command, launch.inherited(os.environ), task.confinement)
    whole = sum(len(f"{name}={value}".encode()) + 1 + launch.POINTER for name, value in given.items())
    assert refusal(task, day="mon")[1] == f"are too much: with all else, a program would be given {whole} bytes"


def test_what_the_daemons_own_encoding_cannot_write_is_refused(monkeypatch):
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("latin-1"))
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "latin-1")
    words = "cannot be written in latin-1, the encoding of this daemon"
    assert refusal(of_kind("command"), day="日") == ("/parameters/day", words)
    assert refusal(of_kind("command"), name="日", day="é") == ("/name", words)
    launch.check(of_kind("process"), "ä", {"day": "é"})
    launch.check(of_kind("thread"), "日", {"day": "日"})


def test_no_text_of_the_check_is_shorter_than_that_of_a_run():
    """Or a run could be refused what its job was not."""
    found = launch.environment(launch.ANYBODY, Command(["x"]), {})
    run = attrs.evolve(RUN, id=str(uuid.uuid4()), job_id=str(uuid.uuid4()), attempt=101)
    info = launch.information(run, 3_155_759_999.123456)
    for variable, value in launch.environment(info, Command(["x"]), {}).items():
        if not variable.startswith("JOBSCHED_PARAM_") and variable != "JOBSCHED_JOB_NAME":
            assert len(value) <= len(found[variable]), variable
