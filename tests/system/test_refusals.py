"""Starts that must fail: one clear line, exit status 1, no traceback, nothing left behind."""

import socket
import sqlite3

import pytest

from tests.ports import free_port
from tests.system.daemon import until

SERVED = "anybody who reaches it could run every task of the catalog"


def write(name, text):
    return lambda daemon: (daemon.folder / name).write_text(text)


def remove(name):
    return lambda daemon: (daemon.folder / name).unlink()


def nothing(daemon):
    """As it is shipped."""


@pytest.mark.parametrize(
    ("spoil", "arguments", "line"),
    [
        (nothing, ["--no-such-option"], "jobsched: option --no-such-option not recognized; see --help"),
        (nothing, ["--conf-dir"], "jobsched: option --conf-dir requires argument; see --help"),
        (nothing, ["start"], "jobsched: unexpected argument: start; see --help"),
        (nothing, ["--conf-dir", "nowhere"], "jobsched: --conf-dir: {folder}/nowhere: no such folder"),
        (nothing, ["--tasks-dir", "nowhere"], "jobsched: --tasks-dir: {folder}/nowhere: no such folder"),
        (
            nothing,
            ["--tasks-dir", "conf/catalog.cfg"],
            "jobsched: --tasks-dir: {folder}/conf/catalog.cfg: no such folder",
        ),
        (nothing, ["--state-dir", "conf/catalog.cfg"], "jobsched: --state-dir: {folder}/conf/catalog.cfg: File exists"),
        (nothing, ["--listen", "garbage"], "jobsched: --listen: garbage: not an endpoint"),
        (nothing, ["--listen", "tcp:x"], "jobsched: --listen: tcp:x: not an endpoint: invalid literal for int()"),
        (nothing, ["--listen", "tcp:8080"], f"jobsched: --listen: tcp:8080: {SERVED}"),
        (nothing, ["--listen", "tcp:80:interface=0.0.0.0"], f"jobsched: --listen: tcp:80:interface=0.0.0.0: {SERVED}"),
        (remove("conf/jobsched.cfg"), [], "jobsched: {folder}/conf/jobsched.cfg: no such file; copy the shipped conf"),
        (remove("conf/catalog.cfg"), [], "jobsched: {folder}/conf/catalog.cfg: No such file or directory"),
        (remove("conf/logging.cfg"), [], "jobsched: {folder}/conf/logging.cfg: no such file; copy the shipped conf"),
        (write("conf/jobsched.cfg", "A = = 1"), [], "jobsched: {folder}/conf/jobsched.cfg:1: invalid syntax"),
        (
            write("conf/jobsched.cfg", "\n1/0"),
            [],
            "jobsched: {folder}/conf/jobsched.cfg:2: ZeroDivisionError: division",
        ),
        (
            write("conf/jobsched.cfg", "JOB_LIVETIM = 1"),
            [],
            "jobsched: {folder}/conf/jobsched.cfg: JOB_LIVETIM: unknown option; the nearest is JOB_LIVETIME",
        ),
        (
            write("conf/jobsched.cfg", "SCHED_CONFIG = {'store': 'nosuch://x/y'}"),
            [],
            "jobsched: ",
        ),
        (
            write("conf/catalog.cfg", "file = a"),
            [],
            "jobsched: {folder}/conf/catalog.cfg:1: a [section] must come first",
        ),
        (write("conf/catalog.cfg", "[a]\nclass = A"), [], "jobsched: {folder}/conf/catalog.cfg: [a] file: is missing"),
        (
            write("conf/catalog.cfg", "[a]\nfile = a.py\nclass = A"),
            [],
            "jobsched: {folder}/conf/catalog.cfg: [a] file: no such file: {folder}/tasks/a.py",
        ),
        (
            write("tasks/example.py", "def x(:"),
            [],
            "jobsched: {folder}/conf/catalog.cfg: [example] file: {folder}/tasks",
        ),
        (write("conf/logging.cfg", "nonsense"), [], "jobsched: {folder}/conf/logging.cfg: "),
        (write("conf/logging.cfg", "[loggers]\nkeys = root"), [], "jobsched: {folder}/conf/logging.cfg: "),
        (write("var", "a file"), [], "jobsched: --state-dir: {folder}/var: "),
    ],
    ids=lambda given: given.__qualname__ if callable(given) else str(given),  # no address: processes collect alike
)
def test_a_mistake_is_one_line_and_exit_1(daemon, spoil, arguments, line):
    spoil(daemon)
    status, said = daemon.run(*arguments)

    assert (status, said.count("\n")) == (1, 1), said
    assert said.startswith(line.format(folder=daemon.folder))
    assert daemon.alive() == []


def test_a_port_that_is_taken_is_one_line_and_exit_1(daemon):
    with socket.socket() as other:
        other.bind(("127.0.0.1", daemon.port))
        other.listen()
        status, said = daemon.run()

    assert status == 1
    assert "Traceback" not in said
    assert f"jobsched: tcp:{daemon.port}:interface=127.0.0.1: Address already in use" in said.splitlines()[-1]


def test_a_socket_that_cannot_be_made_is_one_line_and_exit_1(daemon):
    status, said = daemon.run("--listen", "unix:/no/where/s")

    assert status == 1
    assert "Traceback" not in said
    assert said.endswith("jobsched: unix:/no/where/s: No such file or directory\n")


def test_a_port_taken_is_told_and_the_pid_file_goes(daemon):
    with socket.socket() as other:
        other.bind(("127.0.0.1", daemon.port))
        other.listen()
        status, said = daemon.run(command=("twistd", "--pidfile=jobsched.pid", "jobsched"))

    assert status == 1
    assert f"jobsched: tcp:{daemon.port}:interface=127.0.0.1: Address already in use" in said
    assert "Traceback" not in said
    until(lambda: not (daemon.folder / "jobsched.pid").exists())  # what went into the background takes it away


def test_a_second_daemon_on_the_same_state_folder_is_refused(daemon, tmp_path):
    daemon.start()
    first = daemon.process
    said = len(daemon.log)
    status, _ = daemon.run("--listen", f"tcp:{free_port()}:interface=127.0.0.1")
    daemon.process = first

    assert status == 1
    refusal = (
        f"jobsched: {daemon.folder}/var is in use by another jobsched (pid {first.pid}); "
        "stop that one, or give this one its own --state-dir\n"
    )
    assert refusal in daemon.log[said:]  # the first one may still be saying something too
    assert daemon.answers()


def test_a_second_daemon_on_the_same_sqlite_file_is_refused(daemon, tmp_path):
    shared = tmp_path / "shared.sqlite"
    daemon.options(f"SCHED_CONFIG = {{'store': 'sqlite:///{shared}'}}")
    daemon.start()
    first = daemon.process
    said = len(daemon.log)
    status, _ = daemon.run("--listen", f"tcp:{free_port()}:interface=127.0.0.1", "--state-dir", str(tmp_path / "other"))
    daemon.process = first

    assert status == 1
    refusal = (
        f"jobsched: {shared} is in use by another jobsched (pid {first.pid}); "
        "stop that one, or give this one its own store\n"
    )
    assert refusal in daemon.log[said:]
    assert daemon.answers()


def test_a_database_of_a_newer_version_is_left_alone(daemon):
    daemon.start()
    daemon.stop()
    path = daemon.folder / "var" / "jobsched.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE jobsched_version SET version_num = '9999'")
    database.close()
    status, said = daemon.run()

    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith(
        f"jobsched: store: sqlite:///{path} was made by a newer Jobsched (schema 9999); upgrade this"
    )


def test_a_file_that_is_no_database_is_refused(daemon):
    (daemon.folder / "var").mkdir()
    (daemon.folder / "var" / "jobsched.sqlite").write_text("this is no database, and never was one " * 100)
    status, said = daemon.run()

    assert (status, said) == (
        1,
        f"jobsched: store: sqlite:///{daemon.folder}/var/jobsched.sqlite cannot be opened: file is not a database\n",
    )
