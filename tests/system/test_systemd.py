"""A real twistd as systemd sees it, and the unit file as systemd reads it."""

import configparser
import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import pytest_twisted

from jobsched.config.options import Config
from jobsched.daemon.logs import STUCK
from tests.system.daemon import GENEROUS, ROOT, TWISTD, until

UNIT = ROOT / "packaging" / "jobsched.service"
HANG = "import time\nclass Hang:\n    async def __call__(self, info):\n        time.sleep(2)\n"


@pytest.fixture
def door(tmp_path, daemon):
    """The socket that systemd would listen on; the daemon is told of it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(GENEROUS)
        daemon.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        yield listening


def empty(door):
    """Leave nothing unread: some ten datagrams fill it, and what finds no room may come late, or not at all."""
    door.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            door.recv(4096)
    door.settimeout(GENEROUS)


def hear(door, first):
    """Read on until a datagram begins so; what came before it."""
    before = []
    while not (lines := door.recv(4096).decode().split("\n"))[0].startswith(first):
        before.append(lines[0])
    return before


@pytest_twisted.ensureDeferred
async def test_systemd_hears_of_a_whole_life_and_a_script_of_nothing(daemon, door):
    daemon.environment |= {"WATCHDOG_USEC": "2000000", "LISTEN_FDS": "1"}
    daemon.script("show", "#!/bin/sh\nenv\n")
    daemon.launch()
    assert "STOPPING=1" not in hear(door, "READY=1")
    assert daemon.answers()  # at once: it says so when it serves, not before
    hear(door, "WATCHDOG=1")
    hear(door, "WATCHDOG=1")

    job = await daemon.schedule("show", 0.2)
    run = await daemon.run_in(job, "succeeded")
    shown = await daemon.text(f"/runs/{run['id']}/output")
    assert "JOBSCHED_RUN_ID=" in shown
    assert not re.search("^(NOTIFY_SOCKET|WATCHDOG_|LISTEN_)", shown, re.MULTILINE)

    empty(door)
    daemon.signal(signal.SIGHUP)
    hear(door, "RELOADING=1")
    hear(door, "READY=1")
    until(lambda: "the catalog was read again" in daemon.log)  # a log is written by a thread

    empty(door)
    daemon.signal(signal.SIGTERM)
    hear(door, "STOPPING=1")
    assert daemon.wait() == 0


@pytest_twisted.ensureDeferred
async def test_a_daemon_whose_reactor_hangs_gives_no_sign_of_life(daemon, door):
    (daemon.folder / "tasks" / "hang.py").write_text(HANG)
    daemon.section("[hang]\nfile = hang.py\nclass = Hang\n")
    daemon.environment["WATCHDOG_USEC"] = "100000"
    daemon.launch()
    hear(door, "READY=1")
    await daemon.schedule("hang", 4, max_runs=5)  # of which this process may sleep through some
    end = time.monotonic() + GENEROUS
    silence = 0.0
    while silence < 1.5:
        begun = time.monotonic()
        assert begun < end, "it went on giving signs of life"
        assert door.recv(4096) == b"WATCHDOG=1"
        silence = time.monotonic() - begun
    hear(door, "WATCHDOG=1")


def test_one_that_went_into_the_background_tells_it_too(daemon, door):
    command = (TWISTD[0], "--pidfile=twistd.pid", "--logfile=twistd.log", "jobsched")
    daemon.environment |= {"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}
    daemon.launch(command=command)
    assert "WATCHDOG=1" not in hear(door, "READY=1")  # that is another process's to give
    assert daemon.wait() == 0
    pid = int((daemon.folder / "twistd.pid").read_text())
    [there] = [process for process in daemon.alive() if process.pid == pid]
    there.terminate()
    assert "WATCHDOG=1" not in hear(door, "STOPPING=1")


def test_systemd_understands_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = UNIT.read_text().replace("/opt/jobsched/bin/twistd", str(Path(sys.executable).with_name("twistd")))
    for name, there in (("jobsched.service", text), ("wrong.service", text.replace("Restart=", "Restrat="))):
        (tmp_path / name).write_text(there)
    done = {
        name: subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / f"{name}.service"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        for name in ("jobsched", "wrong")
    }  # fmt: skip
    assert (done["jobsched"].returncode, done["jobsched"].stdout) == (0, "")
    assert "Restrat" in done["wrong"].stdout  # it does look


def test_the_unit_gives_the_daemon_the_time_it_needs_to_end():
    unit = configparser.RawConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[method-assign, assignment]  # option names keep their case
    unit.read(UNIT)
    assert int(unit["Service"]["TimeoutStopSec"]) > Config().kill_grace + STUCK
    assert int(unit["Service"]["WatchdogSec"]) > 2 * STUCK
    assert unit["Service"]["Type"] == "notify"
