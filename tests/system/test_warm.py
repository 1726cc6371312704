"""Python tasks that executors start warm: what a task cannot tell from a cold start, and when it starts cold."""

from __future__ import annotations

import bz2
import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobsched.runner import fork_server
from jobsched.runner.launch import inherited
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in, is_executor, is_gone, until

TASKS = """
import atexit, bz2, ctypes, json, mmap, multiprocessing, os, platform, signal, subprocess, sys, threading, time
from jobsched.watchdog import watchdog
{before}

class Odd(type):
    def __getattr__(cls, name):
        raise RuntimeError(name)

class Own:
    def __del__(self):
        print("gone")

class Tell:
    @watchdog()
    def __call__(self, info):
        warm = b"fork_server" in open("/proc/self/cmdline", "rb").read()
        mark = open("/proc/self/environ", "rb").read().split(b"\\0")
        print(json.dumps(dict(
            warm=warm, leads=os.getsid(0) == os.getpid() == os.getpgrp(), pid=os.getpid(), run=info.run_id,
            marked=b"JOBSCHED_RUN_ID=" + info.run_id.encode() in mark, env=dict(os.environ), argv=sys.argv[1:],
            parent=open("/proc/%d/cmdline" % os.getppid()).read(), files=sorted(os.listdir("/proc/self/fd"))[:-1],
            value=os.environ["JOBSCHED_PARAM_VALUE"], stdin=sys.stdin.read(), cwd=os.getcwd(), tasks={value},
            native=threading.main_thread().native_id == os.getpid(),
            ignored=sorted(n.name for n in signal.Signals if signal.getsignal(n) == signal.SIG_IGN),
        )))
        print("to stderr", file=sys.stderr)
        do = info.parameters["value"]
        if do == "fail":
            raise ValueError("no luck")
        if do == "exit":
            sys.exit(7)
        if do == "leave":
            sys.kept = open(f"left-{warm}", "w")
            sys.kept.write("kept")
            atexit.register(print, "at the end")
            threading.Thread(target=lambda: (time.sleep(0.2), print("a thread"))).start()
        if do == "say":
            sys.exit("no more")
        if do == "signal":
            told, main = [], threading.main_thread().ident
            signal.signal(signal.SIGUSR1, lambda *_: told.append("the main thread"))
            other = threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGUSR1))
            other.start()
            other.join()
            print(*told, time.clock_gettime(time.pthread_getcpuclockid(main)) > 0)
        if do == "locks":
            first, size = ctypes.c_void_p(), ctypes.c_size_t()
            asks = {"x86_64": 274, "aarch64": 100}[platform.machine()]
            ctypes.CDLL(None).syscall(asks, 0, ctypes.byref(first), ctypes.byref(size))
            print("others hear of its end" if first.value else "others wait for it for ever")
        if do == "unclosed":
            global kept, own
            kept, own = bz2.open(f"packed-{warm}", "wt"), Own()
            kept.write("kept")
            own.self = own
        if do == "c":
            odd = Odd("Odd", (), {})()
            of_c = ctypes.CDLL(None)
            of_c.fopen.restype = ctypes.c_void_p
            of_c.fputs(b"kept", ctypes.c_void_p(of_c.fopen(f"left-c-{warm}".encode(), b"w")))
        if do == "stay":
            if os.fork() == 0:
                os.setsid()  # and no exec: nothing but the mark tells whose it is
                if os.fork():
                    os._exit(0)
            time.sleep(1000)
"""
SECTION = """[{name}]
file = {file}.py
class = Tell
parameters = value
{more}
"""
NEVER = (
    ("threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()", "it starts threads when it is loaded"),
    ("sleeping = subprocess.Popen(['sleep', '2'])", "it starts processes when it is loaded"),
    ("os.system('sleep 1000 &')", "it starts processes when it is loaded"),
    ("kept = open(os.devnull)", "it opens files or connections when it is loaded"),
    (
        "file = os.open('/dev/zero', 0); os.dup2(file, 0); os.close(file)",
        "it opens files or connections when it is loaded",
    ),
    ("lock = multiprocessing.Lock()", "it makes memory or locks that processes share when it is loaded"),
    ("memory = mmap.mmap(-1, 1)", "it makes memory or locks that processes share when it is loaded"),
    ("signal.alarm(1000)", "it sets a timer when it is loaded"),
    ("1 / 0", "it cannot be loaded: ZeroDivisionError"),
    ("os._exit(3)", ""),
    ("", "ready"),
    ("assert sys.stdin.read() == '' and not any('JOBSCHED' in name for name in os.environ)", "ready"),
)
COLD = (
    ("printing", "print('loaded')", ""),
    ("leaving", "if 'fork_server' in sys.argv[0]: os._exit(3)", ""),
    ("locking", "lock = multiprocessing.Lock()", ""),
    ("fresh", "", "fresh = yes"),
    ("nice", "", "limits = nice=1"),
    ("dying", "os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGKILL))", ""),
    ("hanging", "os.register_at_fork(after_in_child=lambda: time.sleep(1000))", ""),
)
GNUTLS = "libgnutls.so.30"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.options("EXECUTORS = 1\nLEASE = 60\nJOB_LIVETIME = 300\nKILL_GRACE = 0.5")
        yield daemon


@pytest.fixture
def ask(daemon: Daemon) -> Caller:
    return Caller(daemon)


def write(daemon: Daemon, before: str = "", value: str = "1", name: str = "tell") -> None:
    file = daemon.folder / "tasks" / f"{name}.py"
    file.write_text(TASKS.replace("{before}", before).replace("{value}", value))


def begin(daemon: Daemon, before: str = "", more: str = "") -> None:
    write(daemon, before)
    daemon.section(SECTION.format(name="tell", file="tell", more=more))
    daemon.section(SECTION.format(name="cold", file="tell", more="fresh = yes"))
    daemon.start()


def run(ask: Caller, value: str = "x", task: str = "tell") -> tuple[Any, list[str]]:
    """A run that has ended, and the lines that it printed."""
    run = ask.ended(ask.run(ask.make(task, name="it", parameters={"value": value})))
    return run, ask.text(f"/runs/{run['id']}/output").splitlines()


def told(ask: Caller, task: str = "tell") -> dict[str, Any]:
    """What a task saw."""
    _, lines = run(ask, task=task)
    return dict(json.loads(next(line for line in lines if line.startswith("{"))))


def warm(ask: Caller) -> dict[str, Any]:
    """What the first task saw that started warm."""
    return until(lambda: (seen := told(ask))["warm"] and seen)


def servers(daemon: Daemon, *names: str) -> list[psutil.Process]:
    """Those that have loaded files of these names; without a name, all."""
    found = []
    for each in daemon.alive():
        with suppress(psutil.Error):
            words = each.cmdline()
            if "jobsched.runner.fork_server" in words and each.ppid() in executors(daemon):
                found += [each] if not names or Path(words[-1]).stem in names else []
    return found


def the_server(daemon: Daemon) -> psutil.Process:
    """The only one, once one before it has gone."""
    return until(lambda: len(found := servers(daemon)) == 1 and found)[0]


def executors(daemon: Daemon) -> list[int]:
    return [each.pid for each in daemon.alive() if is_executor(each)]


def test_a_task_sees_the_same_warm_and_cold(daemon: Daemon, ask: Caller) -> None:
    begin(daemon)
    cold, warmed = told(ask, "cold"), warm(ask)
    assert not cold["warm"]
    for seen in (cold, warmed):
        assert seen["marked"]
        assert seen["leads"]
        assert "jobsched.executor" in seen["parent"]
        assert seen["env"].pop("JOBSCHED_RUN_ID") == seen.pop("run")
        for each in ("JOBSCHED_DUE", "JOBSCHED_JOB_ID", "JOBSCHED_ID"):
            seen["env"].pop(each, None)
        del seen["pid"], seen["warm"]
    assert warmed == cold


def test_what_a_warm_task_comes_to_is_the_same(daemon: Daemon, ask: Caller) -> None:
    begin(daemon)
    warm(ask)
    for how in ("fail", "exit", "say", "signal", "locks", "unclosed", "c", "leave"):
        before, lines = run(ask, how, "cold")
        assert not json.loads(lines[0])["warm"]
        after, said = until(partial(warm_run, ask, how))
        assert said[1:] == lines[1:], "what follows on stderr, with the traceback"
        for field in ("state", "exit_code", "signal", "reason"):
            assert after[field] == before[field]
        assert after["cpu_seconds"] is not None
    assert said[2:] == ["a thread", "at the end"]
    for file in daemon.folder.glob("left-*"):
        assert file.read_text() == "kept", file
    assert len([*daemon.folder.glob("left-*")]) == 4
    for file in daemon.folder.glob("packed-*"):
        assert bz2.decompress(file.read_bytes()) == b"kept", file


def warm_run(ask: Caller, how: str) -> tuple[Any, list[str]] | None:
    """A run, if it was started warm. Where a machine is busy, one that would have to wait for that is started cold."""
    after, said = run(ask, how)
    return (after, said) if json.loads(said[0])["warm"] else None


def test_what_a_warm_task_left_is_found_by_its_mark(daemon: Daemon, ask: Caller) -> None:
    begin(daemon)
    warm(ask)
    job = ask.make("tell", parameters={"value": "stay"})
    begun = ask.run(job)
    left = until(lambda: len(found := marked(daemon, begun)) == 2 and found)
    ask.ask("POST", f"{begun}/cancel")
    assert ask.ended(begun)["state"] == "cancelled"
    assert all(is_gone(each) for each in left)
    assert servers(daemon), "and it alone"


def marked(daemon: Daemon, run: str) -> list[psutil.Process]:
    found = []
    for each in daemon.alive():
        with suppress(psutil.Error):
            if each.environ().get("JOBSCHED_RUN_ID") == run.rpartition("/")[2]:
                found.append(each)
    return found


def load(folder: Path, before: str) -> str:
    """What a fork server tells of a file."""
    (folder / "tell.py").write_text(TASKS.replace("{before}", before).replace("{value}", "1"))
    asks, theirs = socket.socketpair()
    told, tells = os.pipe()
    nothing = os.open(os.devnull, os.O_RDWR)
    into = {0: nothing, 1: nothing, fork_server.TELLS: tells, fork_server.ASKS: theirs.fileno()}
    spare = {at: os.dup(own) for at, own in into.items()}  # an own number may be one that it is put at
    actions = [(os.POSIX_SPAWN_DUP2, own, at) for at, own in spare.items()]
    env = {**inherited(os.environ), fork_server.MARK: fork_server.NOBODY, "PYTHONPATH": str(Path(__file__).parents[2])}
    pid = os.posix_spawn(
        sys.executable, fork_server.argv(str(folder / "tell.py")), env, file_actions=actions, setsid=True
    )
    for each in (tells, nothing, *spare.values()):
        os.close(each)
    theirs.close()
    with open(told, "rb") as words, asks:
        answer = words.read().decode()
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return answer


@pytest.mark.parametrize(("before", "why"), NEVER, ids=[before or "plain" for before, _ in NEVER])
def test_what_a_fork_would_share_or_lack_is_told(tmp_path: Path, before: str, why: str) -> None:
    assert load(tmp_path, before) == why


def test_a_library_that_minds_forks_is_told(tmp_path: Path) -> None:
    """GnuTLS learns of a fork in this way alone: else each run would have the same random numbers."""
    try:
        ctypes.CDLL(GNUTLS)
    except OSError:
        pytest.skip(f"there is no {GNUTLS} here")
    assert "which may have to be told of forks" in load(tmp_path, f"ctypes.CDLL({GNUTLS!r})")


def test_what_cannot_be_forked_starts_cold(daemon: Daemon, ask: Caller) -> None:
    for name, before, more in COLD:
        write(daemon, before, name=name)
        daemon.section(SECTION.format(name=name, file=name, more=more))
    daemon.start()
    for name, _, _ in COLD:
        for _ in range(3):
            ended, lines = run(ask, task=name)
            assert ended["state"] == "succeeded"
            assert not any('"warm": true' in line for line in lines), name
    assert until(lambda: not servers(daemon, *(name for name, _, _ in COLD[:-2])))
    assert until(lambda: zombies(daemon) == [])


def zombies(daemon: Daemon) -> list[psutil.Process]:
    """Children of executors that nobody has waited for."""
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            if each.ppid() in executors(daemon) and each.status() == psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


def test_a_changed_file_or_a_reload_ends_what_was_loaded(daemon: Daemon, ask: Caller) -> None:
    (daemon.folder / "tasks" / "helping.py").write_text("VALUE = 1\n")
    begin(daemon, f"sys.path.insert(0, {str(daemon.folder / 'tasks')!r}); import helping")
    assert warm(ask)["tasks"] == 1
    write(daemon, value="2")
    assert told(ask)["tasks"] == 2
    warm(ask)
    file = daemon.folder / "tasks" / "tell.py"
    before = file.stat()
    write(daemon, value="3")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a copy that keeps the time of its source
    assert told(ask)["tasks"] == 3
    warm(ask)
    server = the_server(daemon)
    assert ask.ask("POST", "/catalog/reload").status == 200
    assert not told(ask)["warm"], "what the file imports may be another"
    until(lambda: is_gone(server))
    assert warm(ask)["tasks"] == 3


def test_a_fork_server_that_dies_costs_no_run(daemon: Daemon, ask: Caller) -> None:
    begin(daemon)
    warm(ask)
    server = the_server(daemon)
    server.send_signal(signal.SIGSTOP)
    assert told(ask)["value"] == "x", "a fork that does not come is not waited for"
    until(lambda: is_gone(server))
    warm(ask)
    server = the_server(daemon)
    server.kill()
    assert told(ask)["value"] == "x"
    warm(ask)


def test_a_warm_run_outlives_the_daemon_and_no_server_does(daemon: Daemon, ask: Caller) -> None:
    begin(daemon)
    warm(ask)
    begun = ask.run(ask.make("tell", parameters={"value": "stay"}))
    until(lambda: ask.get(begun)["pid"])
    daemon.kill()
    daemon.start()
    ask.ask("POST", f"{begun}/cancel")
    ended = ask.ended(begun)
    assert (ended["state"], ended["signal"]) == ("cancelled", "SIGTERM")
    assert daemon.stop() == 0
    assert until(lambda: daemon.alive() == [])


def test_a_server_that_never_comes_to_an_end_of_loading(daemon: Daemon, ask: Caller) -> None:
    """Neither keeps the runs waiting nor outlives an executor that is killed."""
    begin(daemon, "if 'fork_server' in sys.argv[0]: time.sleep(1000)")
    assert not told(ask)["warm"]
    assert not told(ask)["warm"]
    (server,) = until(lambda: servers(daemon))
    for each in executors(daemon):
        os.kill(each, signal.SIGKILL)
    assert until(lambda: is_gone(server))


def test_what_a_file_reads_at_its_load_is_of_the_daemon(daemon: Daemon, ask: Caller) -> None:
    """And not of an earlier daemon, which has started the executor."""
    daemon.environment["PLACE"] = "there"
    begin(daemon, "place = os.environ['PLACE']")
    write(daemon, "place = os.environ['PLACE']", value="place")
    assert warm(ask)["tasks"] == "there"
    begun = ask.run(ask.make("tell", parameters={"value": "stay"}))
    until(lambda: ask.get(begun)["pid"])
    (executor,) = executors(daemon)
    daemon.kill()
    daemon.environment["PLACE"] = "here"
    daemon.start()
    assert warm(ask)["tasks"] == "here"
    assert executors(daemon) == [executor]
    ask.ask("POST", f"{begun}/cancel")
    ask.ended(begun)
