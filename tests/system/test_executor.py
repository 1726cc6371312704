"""An executor as a process of its own: what it runs, whom it obeys, what it leaves, what it does without a daemon."""

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from contextlib import suppress

import psutil
import pytest

from jobsched.clock import elapsed
from jobsched.daemon.folder_lock import FolderLock
from jobsched.executor.frames import (
    NEWEST,
    OLDEST,
    Ended,
    Greeting,
    Lasting,
    Lines,
    Other,
    Ping,
    Pong,
    Start,
    Started,
    Stop,
    Stopping,
    Stored,
    Welcome,
    Why,
    daemons_inbox,
    packed,
)
from jobsched.executor.journal import outcomes
from jobsched.executor.program import TAKEN
from jobsched.runner.group import start_of
from jobsched.runner.output_file import output_path

ENDLESS = 30  # seconds after which what a test waits for will not come
EVER = "1000"  # seconds that nothing here lasts


def until(condition):
    end = time.monotonic() + ENDLESS
    while not (found := condition()):
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)
    return found


class Daemon:
    """Stands in for the daemon: speaks to the executor, and may go without a word."""

    def __init__(self, folder, name="it"):
        self.inbox, self.heard = daemons_inbox(), []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ENDLESS)
        at = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            until(lambda: self.is_connected(f"/proc/self/fd/{at}/{name}.sock"))
        finally:
            os.close(at)

    def is_connected(self, path):
        with suppress(FileNotFoundError, ConnectionRefusedError):
            self.socket.connect(path)
            return True
        return False

    def greet(self):
        welcome = self.wait(Welcome)
        self.tell(Greeting(oldest=OLDEST, newest=NEWEST, release="test"))
        return welcome

    def tell(self, *frames):
        self.socket.sendall(packed(frames))

    def wait(self, kind, run_id=None):
        """The next frame of a kind, and of a run."""
        while True:
            for frame in self.heard:
                if isinstance(frame, kind) and run_id in (None, getattr(frame, "run_id", None)):
                    self.heard.remove(frame)
                    return frame
            data = self.socket.recv(65536)
            assert data, "the executor hung up"
            self.heard += self.inbox.take(data)

    def is_refused(self):
        with suppress(ConnectionResetError):
            return self.socket.recv(1) == b""
        return True

    def go(self):
        self.socket.close()


@pytest.fixture
def state(tmp_path):
    """A state folder whose path is longer than that of a socket may be, held by this process."""
    folder = tmp_path / ("long" * 30) / "state"
    (folder / "executors").mkdir(parents=True, mode=0o700)
    lock = FolderLock(folder)
    lock.sign()
    yield folder
    os.close(lock._descriptor)


@pytest.fixture
def begin(state):
    """Starts executors; at the end none is left, and nothing that they ran."""
    started = []

    def start(*more, name="it", **how):
        words = [sys.executable, "-m", "jobsched.executor", str(state), name, "1000000", "22", *more]
        started.append(subprocess.Popen(words, **how))
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait(ENDLESS)
    until(lambda: not any(is_of(each, state) for each in psutil.process_iter()))


def told(state):
    """The runs of which a daemon would be told that comes now."""
    daemon = Daemon(state / "executors")
    try:
        return daemon.wait(Welcome).runs
    finally:
        daemon.go()


def is_told_by_all(state, run_ids):
    """Whether these are the runs of which both a daemon and the file would tell."""
    kept = [ended.run_id for ended in outcomes(state / "executors", "it.ended")]
    return told(state) == run_ids and set(run_ids) <= set(kept)


def is_of(process, state):
    with suppress(psutil.Error, OSError):
        return process.environ().get("STATE_OF_TEST") == str(state) and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture
def daemon(state, begin):
    """A daemon that has greeted an executor."""
    begin()
    daemon = Daemon(state / "executors")
    daemon.greet()
    yield daemon
    daemon.go()


def script(state, words, **more):
    run_id = str(uuid.uuid4())
    env = {b"JOBSCHED_RUN_ID": run_id.encode(), b"PATH": os.defpath.encode(), b"STATE_OF_TEST": os.fsencode(state)}
    argv = [b"/bin/sh", b"-c", words.encode()]
    return Start(**{"run_id": run_id, "job_name": "job", "argv": argv, "env": env, "grace": 5.0, **more})


def test_a_run_is_executed_and_its_end_is_told(state, daemon):
    before = time.time()
    start = script(state, f"echo one; echo two >&2; until [ -e {state}/go ]; do sleep 0.01; done; exit 3")
    daemon.tell(start)
    started = daemon.wait(Started, start.run_id)
    (state / "go").touch()
    ended = daemon.wait(Ended, start.run_id)
    assert (ended.exit_code, ended.output_total, ended.output_kept, ended.last_line) == (3, 8, 8, "two")
    assert before <= started.at.wall <= ended.at.wall <= time.time()
    assert started.at.elapsed <= ended.at.elapsed
    assert started.pid is not None
    assert ended.cpu_seconds is not None
    assert output_path(state / "output", start.run_id).read_bytes() == b"one\ntwo\n"


def test_lines_that_a_run_prints_are_told_without_secrets(state, daemon):
    start = script(state, "echo my hunter22", secrets={"password": "hunter22"})
    daemon.tell(start)
    assert daemon.wait(Lines).lines == [f"job {start.run_id} | my ***"]
    assert daemon.wait(Ended).last_line == "my ***"


def test_a_run_that_cannot_be_started_says_why(state, daemon):
    start = script(state, "", argv=[b"/no/such/program"])
    daemon.tell(start)
    assert daemon.wait(Ended, start.run_id).error == "could not start: /no/such/program: no such program"


def test_a_pattern_that_is_none_fails_its_run_alone(state, daemon):
    bad, good = script(state, "true", expect="("), script(state, "true")
    daemon.tell(bad, good)
    assert "regular expression" in (daemon.wait(Ended, bad.run_id).error or "")
    assert daemon.wait(Ended, good.run_id).exit_code == 0


def test_a_run_is_ended_when_it_is_told_so(state, daemon):
    start, why = script(state, f"sleep {EVER} & sleep {EVER}"), Why(state="cancelled", reason="asked")
    daemon.tell(start)
    daemon.wait(Started)
    daemon.tell(Stop(run_id=start.run_id, why=why))
    assert daemon.wait(Stopping).why == why
    ended = daemon.wait(Ended)
    assert (ended.stopped, ended.signal) == (why, "SIGTERM")


def test_what_is_told_twice_runs_once(state, daemon):
    start = script(state, "echo once")
    daemon.tell(start, start)
    daemon.wait(Ended)
    other = script(state, "true")
    daemon.tell(start, other)
    daemon.wait(Ended, other.run_id)
    assert output_path(state / "output", start.run_id).read_bytes() == b"once\n"
    assert not [each for each in daemon.heard if isinstance(each, Ended)]


def test_a_deadline_holds_while_no_daemon_lives(state, daemon):
    start = script(state, f"trap '' TERM; echo here; while :; do sleep {EVER}; done", timeout=5, grace=0.2)
    daemon.tell(start)
    started = daemon.wait(Started)
    daemon.go()
    until(lambda: not psutil.pid_exists(started.pid))
    after = Daemon(state / "executors")
    assert after.greet().runs == [start.run_id]
    ended = after.wait(Ended)
    assert (ended.stopped.state, ended.signal) == ("timed_out", "SIGKILL")
    assert 5.1 < ended.at.elapsed - started.at.elapsed < ENDLESS
    after.go()


def test_a_later_daemon_hears_of_what_goes_on_and_what_ended(state, daemon):
    lasts, ends = script(state, f"sleep {EVER}"), script(state, "echo done")
    daemon.tell(lasts, ends)
    started = daemon.wait(Started, lasts.run_id)
    ended = daemon.wait(Ended)
    daemon.go()
    after = Daemon(state / "executors")
    assert sorted(after.greet().runs) == sorted([lasts.run_id, ends.run_id])
    assert (after.wait(Started), after.wait(Ended)) == (started, ended)
    after.tell(Stored(run_ids=[ends.run_id]))
    after.go()
    until(lambda: told(state) == [lasts.run_id])


def test_a_daemon_that_comes_takes_the_place_of_the_one_before(state, daemon):
    after = Daemon(state / "executors")
    after.greet()
    assert daemon.is_refused()
    start = script(state, "true")
    after.tell(start)
    assert after.wait(Ended, start.run_id).exit_code == 0
    after.go()


def test_only_the_holder_of_the_state_folder_is_obeyed(state, daemon):
    (state / "jobsched.lock").write_text("1\n")
    other = Daemon(state / "executors")
    assert other.is_refused()
    other.go()
    start = script(state, "true")
    daemon.tell(start)
    assert daemon.wait(Ended).exit_code == 0


def test_who_does_not_greet_or_speaks_otherwise_is_dropped(state, begin):
    begin()
    for said in (
        packed([Stored(run_ids=[])]),
        b"GET / HTTP/1.1\r\n\r\n",
        packed([Greeting(oldest=8, newest=9, release="")]),
    ):
        peer = Daemon(state / "executors")
        peer.wait(Welcome)
        peer.socket.sendall(said)
        assert peer.is_refused()
        peer.go()


def test_it_ends_its_runs_when_its_node_may_be_taken_for_dead(state, begin):
    begin()
    daemon = Daemon(state / "executors")
    daemon.greet()
    over = elapsed() + 8
    daemon.tell(Ping(until=over), start := script(state, f"sleep {EVER}"))
    daemon.wait(Pong)
    daemon.wait(Started)
    daemon.go()
    after = Daemon(state / "executors")
    after.greet()
    early = outcomes(state / "executors", "it.ended")
    assert not early or elapsed() >= over, "another daemon alone changes nothing"
    ended = after.wait(Ended)
    assert ended.stopped is not None
    assert (ended.run_id, ended.stopped.state, ended.signal) == (start.run_id, "lost", "SIGTERM")
    after.tell(late := script(state, "true"))
    assert after.wait(Ended, late.run_id).exit_code is None, "nothing is begun either"
    after.tell(Ping(until=elapsed() + 100), late := script(state, "true"))
    assert after.wait(Ended, late.run_id).exit_code == 0
    after.go()


def begun(state, name, *starts):
    """A daemon that has had the executor of this name start these, whose fence is far away; and their processes."""
    daemon = Daemon(state / "executors", name)
    daemon.greet()
    daemon.tell(Ping(until=elapsed() + 1000), *starts)
    return daemon, [psutil.Process(daemon.wait(Started, start.run_id).pid) for start in starts]


def is_gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_it_ends_in_time_what_a_dead_executor_ran(state, begin):
    """But not what that has kept, what it has let go, or what an executor runs that lives."""
    first, living, watching = begin(), begin(name="lives"), begin("3", name="watches")
    ends, keeps, stays = (script(state, f"exec sleep {EVER}") for _ in range(3))
    stands = script(state, f"trap '' TERM; echo; while :; do sleep {EVER}; done")
    over = script(state, f"setsid sleep {EVER} >{os.devnull} 2>&1 & sleep 0.5; echo $!", leftovers="keep")
    unmarked = script(state, f"exec env -i sleep {EVER}")
    it, (one, other, two, bare, _) = begun(state, "it", ends, keeps, stands, unmarked, over)
    lives, (three,) = begun(state, "lives", stays)
    watches = Daemon(state / "executors", "watches")
    watches.greet()
    it.wait(Lines)
    left = psutil.Process(int(it.wait(Ended, over.run_id).last_line))
    lost = [Lasting(ends.run_id), Lasting(stands.run_id), Lasting(over.run_id)]
    lost.append(Lasting(unmarked.run_id, bare.pid, start_of(bare.pid)))
    others = [
        Other(name="it", pid=first.pid, runs=lost),
        Other(name="lives", pid=living.pid, runs=[Lasting(stays.run_id)]),
        Other(name="gone", pid=first.pid, runs=[Lasting("unknown")]),
    ]
    soon = elapsed() + 6
    watches.tell(Ping(until=soon, others=others), Ping(until=soon))
    watches.wait(Pong)
    for daemon in (it, lives, watches):
        daemon.go()
    first.kill()
    first.wait(ENDLESS)
    until(lambda: all(map(is_gone, (one, two, bare))))
    assert elapsed() >= soon, "not before its fence is over"
    until(lambda: psutil.Process(watching.pid).num_threads() == 1)  # each start of a run moves all there are
    assert watching.wait(ENDLESS) == 0, "it has stayed for longer than it does with nothing to do"
    assert [is_gone(each) for each in (other, left, three)] == [False] * 3
    said = (state / "executors" / "watches.log").read_text()
    for start in (ends, stands, unmarked):
        assert f"run {start.run_id} of another executor, which is dead, as is its daemon: its processes (" in said
    assert over.run_id not in said
    for each in (other, left):
        each.kill()


def test_it_ends_nothing_of_others_when_a_daemon_is_back(state, begin):
    first, watching = begin(), begin(name="watches")
    goes_on = script(state, f"exec sleep {EVER}")
    it, (process,) = begun(state, "it", goes_on)
    watches = Daemon(state / "executors", "watches")
    watches.greet()
    soon = elapsed() + 3
    others = [Other(name="it", pid=first.pid, runs=[Lasting(goes_on.run_id)])]
    watches.tell(Ping(until=soon, others=others), Ping(until=soon + 1000, others=[]))
    it.go()
    first.kill()
    until(lambda: elapsed() > soon)
    watches.tell(start := script(state, "true"))
    watches.wait(Ended, start.run_id)
    watches.go()
    watching.terminate()
    watching.wait(ENDLESS)
    assert not is_gone(process)
    process.kill()


def test_told_to_end_it_ends_its_runs_and_keeps_outcomes(state, begin):
    process = begin()
    daemon = Daemon(state / "executors")
    daemon.greet()
    start = script(state, f"echo hunter22; sleep {EVER}", secrets={"password": "hunter22"})
    daemon.tell(start)
    daemon.wait(Lines)
    daemon.go()
    process.terminate()
    process.wait(ENDLESS)
    kept = (state / "executors" / "it.ended").read_bytes()
    (ended,) = outcomes(state / "executors", "it.ended")
    assert ended.stopped is not None
    assert (ended.run_id, ended.stopped.state, ended.last_line) == (start.run_id, "cancelled", "***")
    assert b"hunter22" not in kept
    assert not (state / "executors" / "it.sock").exists()


def test_with_no_run_and_no_daemon_it_ends(state, begin):
    process = begin("5")
    daemon = Daemon(state / "executors")
    daemon.greet()
    start = script(state, "sleep 6")  # longer than it stays with nothing to do
    daemon.tell(start)
    daemon.wait(Started)
    daemon.go()
    assert process.wait(ENDLESS) == 0
    (ended,) = outcomes(state / "executors", "it.ended")
    assert (ended.run_id, ended.exit_code) == (start.run_id, 0)


def test_outcomes_outlive_a_killed_executor(state, begin):
    process = begin()
    daemon = Daemon(state / "executors")
    daemon.greet()
    first, second = script(state, "exit 1"), script(state, "exit 2")
    daemon.tell(first, second)
    daemon.wait(Ended, first.run_id)
    ended = daemon.wait(Ended, second.run_id)
    daemon.tell(Stored(run_ids=[first.run_id]), start := script(state, "true"))
    daemon.wait(Ended, start.run_id)
    daemon.tell(Stored(run_ids=[start.run_id]))
    until(lambda: is_told_by_all(state, [second.run_id]))
    process.kill()
    process.wait(ENDLESS)
    assert (state / "executors" / "it.sock").exists()
    daemon.go()
    again = begin()
    after = Daemon(state / "executors")
    found = after.greet().runs  # that may be some more, of which the store has the outcome
    assert second.run_id in found
    assert after.wait(Ended, second.run_id) == ended
    after.tell(Stored(run_ids=found))
    after.go()
    until(lambda: told(state) == [])
    again.terminate()
    again.wait(ENDLESS)
    assert not (state / "executors" / "it.ended").exists()


def test_there_is_one_executor_of_a_name(state, begin, daemon):
    assert begin().wait(ENDLESS) == TAKEN
    start = script(state, "true")
    daemon.tell(start)
    assert daemon.wait(Ended, start.run_id).exit_code == 0


def test_it_holds_nothing_of_what_started_it(state, begin):
    lock = os.open(state / "held", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = begin(pass_fds=(lock,), stdout=subprocess.PIPE)
    daemon = Daemon(state / "executors")
    daemon.greet()
    os.close(lock)
    again = os.open(state / "held", os.O_RDWR)
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)
    assert process.stdout.read() == b""
    process.stdout.close()
    assert os.getsid(process.pid) == process.pid
    daemon.go()


def test_hang_ups_and_interrupts_of_a_terminal_end_nothing(state, begin):
    process = begin()
    daemon = Daemon(state / "executors")
    daemon.greet()
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    start = script(state, "kill -INT $$; echo not here")
    daemon.tell(start)
    assert daemon.wait(Ended).signal == "SIGINT"
    daemon.go()


def test_its_socket_is_for_its_owner_alone(state, daemon):
    found = (state / "executors" / "it.sock").stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600


WATCHED = """
import os, runpy, sys
watched, *sys.argv[1:] = sys.argv[1:]
def note(event, words):
    if event == "import":
        with os.fdopen(os.open(watched, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "a") as file:
            print(words[0], file=file)
sys.addaudithook(note)
runpy.run_module("jobsched.executor", run_name="__main__", alter_sys=True)
"""


def test_everything_is_imported_at_the_start(state, tmp_path):
    """An upgrade replaces files under an executor that runs."""
    imported, words = tmp_path / "imported", [str(state), "it", "1000000", "22"]
    process = subprocess.Popen([sys.executable, "-c", WATCHED, str(imported), *words])
    daemon = Daemon(state / "executors")
    daemon.greet()
    before = imported.read_text().split("\n")
    assert "jobsched.executor.program" in before
    for start in (
        script(state, "echo one; exit 1", expect="two", secrets={"password": "hunter22"}),
        script(state, "", argv=[b"/no/such/program"]),
        script(state, f"sleep {EVER} & exit 0", leftovers="end"),
        script(state, f"trap '' TERM; while :; do sleep {EVER}; done", timeout=0.2, grace=0.2),
        script(state, "true", expect="("),
    ):
        daemon.tell(start)
        daemon.wait(Ended, start.run_id)
    last = script(state, f"sleep {EVER}")
    daemon.tell(last)
    daemon.wait(Started, last.run_id)
    daemon.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    daemon.go()
    process.terminate()
    assert process.wait(ENDLESS) == 0
    assert imported.read_text().split("\n") == before


MIB = 1024 * 1024


def test_it_is_small(state, begin):
    process = begin()
    daemon = Daemon(state / "executors")
    daemon.greet()
    found = psutil.Process(process.pid)
    assert found.memory_info().rss < 50 * MIB
    assert found.num_threads() == 1  # see `ControlGroup.inside`
    assert [each.path for each in found.memory_maps() if "cryptography" in each.path] == []
    daemon.go()


def test_it_imports_neither_database_nor_http():
    words = "import sys, jobsched.executor.program; from twisted.internet import reactor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True).stdout.split()
    roots = {name.partition(".")[0] for name in loaded}
    assert roots & {"sqlalchemy", "alembic", "klein", "werkzeug", "treq"} == set()
    assert [name for name in loaded if name.startswith(("jobsched.store", "jobsched.rest", "twisted.web"))] == []
