"""What a run is given of the daemon, and what not: a user, limits, a umask, no descriptor and no secret of its own."""

import contextlib
import os
import pwd
import signal
import tempfile
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.system.caller import Caller
from tests.system.daemon import daemon_in, until

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of another user")

FDS = "#!/bin/sh\nexec ls -l /proc/self/fd\n"
ENV = "#!/bin/sh\nexec env\n"
WHO = '#!/bin/sh\nid -un\numask\nnice\nulimit -n\necho "$HOME" "$USER"\n'
BOUNDED = (
    "#!/bin/sh\ncd /sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)\ncat memory.max pids.max cpu.weight\nexit 0\n"
)
NONE = dict.fromkeys(("nice", "memory", "cpu", "files", "memory_total", "pids", "cpu_share"))
FOREVER = "#!/bin/sh\nsleep 600 &\necho begun\nwait\n"

# A service that systemd starts has these, and descriptors that it did not open itself.
AS_SYSTEMD = """
import os, socket, sys
from pathlib import Path
kept = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
for listening in kept:
    listening.set_inheritable(True)
os.environ |= {"LISTEN_FDS": "2", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "a:b", "WATCHDOG_PID": "1",
               "NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "600000000", "CREDENTIALS_DIRECTORY": "/nowhere"}
twistd = Path(sys.executable).with_name("twistd")
os.execv(twistd, [twistd, "-n", "--pidfile=", "jobsched", *sys.argv[1:]])
"""
GIVEN_BY_SYSTEMD = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                    "CREDENTIALS_DIRECTORY"}  # fmt: skip


@pytest.fixture
def ask():
    """A daemon in a folder that other users may look into."""
    with tempfile.TemporaryDirectory(prefix="jobsched-") as folder:
        Path(folder).chmod(0o755)
        with daemon_in(Path(folder, "daemon")) as daemon:
            yield Caller(daemon)


def printed(ask, task, **more):
    """What a run of the task printed, when it succeeded."""
    run = ask.run(ask.make(task, **more))
    ended = ask.ended(run)
    assert ended["state"] == "succeeded", ended
    return ask.text(f"{run}/output")


def tasks_of_every_kind(daemon, name, text):
    """The same script as it is, in a folder, within limits and as another user; their names."""
    daemon.script(name, text)
    kinds = {"there": "directory = /", "limited": "limits = nice=1, files=99", "python": ""}
    if os.geteuid() == 0:
        kinds["nobody"] = "user = nobody"
    source = f"""
import subprocess
from jobsched.watchdog import watchdog
class Apart:
    @watchdog()
    def __call__(self, info):
        subprocess.run(["{daemon.folder}/tasks/{name}.sh"], check=True, close_fds=False)
"""
    (daemon.folder / "tasks" / "apart.py").write_text(source)
    for kind, option in kinds.items():
        script = f"file = runscript.py\nclass = RunScript\nscript = {name}.sh\n"
        made = "file = apart.py\nclass = Apart\n" if kind == "python" else script
        daemon.section(f"[{name}-{kind}]\n{made}{option}\n")
    return [name, *(f"{name}-{kind}" for kind in kinds)]


def descriptors(pid):
    """What a process has open; some may be closed meanwhile."""
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(f"/proc/{pid}/fd/{number}")


def test_a_script_inherits_no_descriptor_of_a_full_daemon(ask, running):
    server, daemon = running("postgresql"), ask.daemon
    daemon.options(f"SCHED_CONFIG['store'] = {server.create_database('descriptors')!r}")
    tasks = tasks_of_every_kind(daemon, "fds", FDS)
    socket = daemon.folder / "socket"
    listen = ["--listen", f"tcp:{daemon.port}:interface=127.0.0.1", "--listen", f"unix:{socket}"]
    daemon.start(*listen, command=("python", "-c", AS_SYSTEMD))
    outputs = {task: printed(ask, task) for task in tasks * 2}

    process = psutil.Process(daemon.process.pid)
    assert f"{daemon.folder}/var/jobsched.lock" in set(descriptors(process.pid))
    connections = process.net_connections("all")
    assert str(socket) in {each.laddr for each in connections}
    assert sum(each.status == "LISTEN" for each in connections) == 3  # ours, and two of our parent's
    assert sum(bool(each.raddr) and each.raddr[1:] == (server.port,) for each in connections) >= 2
    for task, said in outputs.items():
        fds = dict(line.split(" -> ") for line in said.splitlines() if " -> " in line)
        assert [line.rsplit(maxsplit=1)[-1] for line in fds] == ["0", "1", "2", "3"], (task, said)
        assert [each.partition(":")[0] for each in fds.values()][:3] == ["/dev/null", "pipe", "pipe"]
        assert list(fds.values())[3].startswith("/proc/")  # of `ls` itself
    daemon.clear()
    server.drop_database("descriptors")


def test_a_script_is_not_told_what_is_the_daemons_own(ask):
    tasks = tasks_of_every_kind(ask.daemon, "env", ENV)
    ask.daemon.environment = {"JOBSCHED_CLUSTER_TOKEN": "hunter22", "JOBSCHED_RUN_ID": "outer", "INHERITED": "yes"}
    ask.daemon.start(command=("python", "-c", AS_SYSTEMD))

    environ = dict(
        each.split("=", 1) for each in Path(f"/proc/{ask.daemon.process.pid}/environ").read_text().split("\0") if each
    )
    assert environ.keys() >= GIVEN_BY_SYSTEMD | {"JOBSCHED_CLUSTER_TOKEN"}
    for task in tasks:
        said = printed(ask, task)
        told = dict(line.split("=", 1) for line in said.splitlines())
        assert told["INHERITED"] == "yes"
        assert not told.keys() & GIVEN_BY_SYSTEMD
        assert {name for name in told if name.startswith("JOBSCHED_")} == {
            f"JOBSCHED_{name}" for name in ("JOB_ID", "RUN_ID", "JOB_NAME", "DUE", "ATTEMPT", "TIMEOUT", "STATE_DIR")
        }
        assert "hunter22" not in said
        assert told["JOBSCHED_RUN_ID"] != "outer"


@pytest.mark.parametrize(("option", "umask"), [("", "0022"), ("UMASK = 0o077", "0077"), ("UMASK = 0", "0000")])
def test_the_umask_of_runs_is_the_options_not_the_daemons(ask, option, umask):
    tasks = tasks_of_every_kind(ask.daemon, "who", "#!/bin/sh\numask\n")
    ask.daemon.options(option)
    before = os.umask(0o002)
    try:
        ask.daemon.start()
    finally:
        os.umask(before)

    assert [printed(ask, task) for task in tasks] == [f"{umask}\n"] * len(tasks)


@ROOT_ONLY
def test_the_catalog_says_as_whom_a_task_runs_and_its_limits(ask):
    daemon = ask.daemon
    daemon.options("RUN_AS = 'nobody'")
    daemon.script("plain", WHO)
    daemon.script("root", WHO)
    daemon.section("user = root\nlimits = nice=2, memory=1G, cpu=60, files=99\n")
    daemon.start()

    shown = ("user", "limits", "new_privileges")
    assert [ask.get("/catalog/plain")[name] for name in shown] == ["nobody", NONE, False]
    assert [ask.get("/catalog/example")[name] for name in shown] == [None, NONE, True]
    limits = NONE | {"nice": 2, "memory": 2**30, "cpu": 60, "files": 99}
    assert [ask.get("/catalog/root")[name] for name in shown] == ["root", limits, False]

    home = {name: pwd.getpwnam(name).pw_dir for name in ("nobody", "root")}
    said = printed(ask, "plain").splitlines()
    assert (said[0], said[1], said[4]) == ("nobody", "0022", f"{home['nobody']} nobody")
    assert ask.ask("POST", "/catalog/reload").status == 200
    assert ask.get("/catalog/plain")["user"] == "nobody"
    gentle = psutil.Process(daemon.process.pid).nice()
    assert printed(ask, "root").splitlines() == ["root", "0022", str(gentle + 2), "99", f"{home['root']} root"]


@pytest.mark.parametrize("limit", ["memory_total=1073741824", "pids=50", "cpu_share=20"])
@pytest.mark.parametrize("option", ["", "EXECUTORS = 0"])
def test_a_limit_that_cannot_be_set_here_starts_nothing(ask, option, limit):
    """Where it can be, the run has it; nowhere does it run without."""
    daemon, (name, value) = ask.daemon, limit.split("=")
    daemon.options(option)
    daemon.script("bounded", BOUNDED)
    daemon.section(f"limits = {limit}\n")
    daemon.start()

    assert ask.get("/catalog/bounded")["limits"] == NONE | {name: int(value)}
    run = ask.run(ask.make("bounded"))
    ended = ask.ended(run)
    if ended["state"] == "succeeded" and not option:
        assert value in ask.text(f"{run}/output").split()
    else:
        assert ended["state"] == "failed"
        assert ended["reason"].startswith(f"could not start: limit {limit}: "), ended


def are_gone(processes):
    return not any(process.is_running() for process in processes)


@ROOT_ONLY
def test_a_run_of_another_user_is_ended_with_all_it_started(ask):
    ask.daemon.script("forever", FOREVER)
    ask.daemon.section("user = nobody\n")
    ask.daemon.start()
    for how in ("cancel", "kill -9"):
        run = ask.run(ask.make("forever"))
        until(partial(ask.text, f"{run}/output"))
        ours = ask.daemon.work
        assert [process.username() for process in ours] == ["nobody"] * 2
        if how == "cancel":
            assert ask.ask("POST", f"{run}/cancel").status == 202
            assert ask.ended(run)["state"] == "cancelled"
        else:
            ask.daemon.kill_all()
            ask.daemon.start()
            assert ask.ended(run)["state"] == "lost"
        until(partial(are_gone, ours))


@ROOT_ONLY
def test_what_the_user_may_not_start_fails_in_words(ask):
    (ask.daemon.folder / "tasks" / "closed").mkdir(mode=0o700)
    script = ask.daemon.folder / "tasks" / "closed" / "script.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    for name, options in (("here", "script = closed/script.sh"), ("there", "script = /bin/true\ndirectory = closed")):
        ask.daemon.section(f"[{name}]\nfile = runscript.py\nclass = RunScript\nuser = nobody\n{options}\n")
    ask.daemon.start()

    for task in ("here", "there"):
        ended = ask.ended(ask.run(ask.make(task)))
        assert ended["state"] == "failed"
        assert ended["reason"].startswith("could not start: ")
        assert ended["reason"].endswith(": Permission denied")


@pytest.mark.parametrize(
    ("option", "section", "line"),
    [
        ("", "user = nobody-of-that-name", "[odd] user: there is no user 'nobody-of-that-name' on this machine"),
        ("", "limits = files=3", "[odd] limits: no program can be started so: "),
        (
            "",
            "limits = ram=3",
            "[odd] limits: must be nice, memory, cpu, files, memory_total, pids, cpu_share, each as NAME=NUMBER",
        ),
        ("RUN_AS = 'nobody-of-that-name'", "", "RUN_AS: must be the name of a user of this machine, where root"),
    ],
)
def test_a_start_with_a_wrong_user_or_limit_is_refused(ask, option, section, line):
    ask.daemon.options(option)
    ask.daemon.script("odd", ENV)
    ask.daemon.section(section)

    status, said = ask.daemon.run()
    assert (status, said.count("\n")) == (1, 1), said
    assert line in said


def test_a_catalog_with_a_wrong_limit_is_not_taken_meanwhile(ask):
    daemon = ask.daemon
    daemon.start()
    before = ask.get("/catalog")
    daemon.section("[example2]\nfile = example.py\nclass = ExampleJob\nphrase = a\nlimits = cpu=3\n")
    words = "[example2] limits: is for tasks in a process of their own; this one runs in a thread of the daemon"

    refused = ask.ask("POST", "/catalog/reload")
    assert refused.fault == (409, "")
    assert words in refused.json["detail"]
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.log.count(words) >= 1)
    assert ask.get("/catalog") == before
