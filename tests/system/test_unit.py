"""The unit as it is shipped, under a real systemd."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.present import present
from tests.system.booted import PYTHON, SOURCE, booted
from tests.system.daemon import ROOT, until

HERE = "http://localhost:58631"
HANG = "import time\nclass Hang:\n    async def __call__(self, info):\n        time.sleep(1000)\n"
LOOK = """#!/bin/sh
grep NoNewPrivs /proc/self/status
for file in /usr/touched /etc/touched /boot/touched /sys/fs/cgroup/touched; do touch $file; done
touch /tmp/touched && echo touched in /tmp
touch file && chmod u+s file
id -un
umask
echo "env: $NOTIFY_SOCKET$WATCHDOG_USEC"
"""
LEAVE = """#!/bin/sh
env -i setsid sh -c 'touch away; exec sleep 1000' >/dev/null 2>&1 &
until [ -e away ]; do sleep 0.1; done
"""
TWISTD = f"#!{PYTHON}/bin/{Path(sys.executable).name}\nfrom twisted.scripts.twistd import run\nrun()\n"
LEFT = ["sleep", "1000"]
CATALOG = """
[look]
file = runscript.py
class = RunScript
script = look.sh
[leave]
file = runscript.py
class = RunScript
script = leave.sh
[hang]
file = hang.py
class = Hang
"""


class Unit:
    """jobsched.service in that machine."""

    def __init__(self, machine):
        self.machine = machine

    def install(self):
        """As packaging/jobsched.service says it is done; what differs stands in a file of `systemctl edit`."""
        write = self.machine.write
        for file in (ROOT / "conf").iterdir():
            write(f"/etc/jobsched/{file.name}", file.read_text())
        for file in (path for path in (ROOT / "tasks").iterdir() if path.is_file()):
            write(f"/etc/jobsched/tasks/{file.name}", file.read_text(), "0755")
        write("/etc/jobsched/tasks/look.sh", LOOK, "0755")
        write("/etc/jobsched/tasks/leave.sh", LEAVE, "0755")
        write("/etc/jobsched/tasks/hang.py", HANG)
        write("/etc/jobsched/catalog.cfg", (ROOT / "conf/catalog.cfg").read_text() + CATALOG)
        write("/opt/jobsched/bin/twistd", TWISTD, "0755")
        write("/etc/systemd/system/jobsched.service", (ROOT / "packaging/jobsched.service").read_text())
        self.edit(f"Environment=PYTHONPATH={SOURCE}")

    def edit(self, *lines):
        """Put lines on top of the unit's."""
        self.machine.write("/etc/systemd/system/jobsched.service.d/override.conf", "\n".join(("[Service]", *lines)))
        self.control("daemon-reload")

    def control(self, *words):
        done = self.machine.run("systemctl", *words)
        assert done.returncode == 0, f"{done.stdout}\n{self.log}"

    def show(self, name):
        return self.machine.run("systemctl", "show", "--value", "-p", name, "jobsched").stdout.strip()

    @property
    def log(self):
        return self.machine.run("journalctl", "--no-pager", "-o", "cat", "-u", "jobsched").stdout

    def ask(self, path, *words, **body):
        more = ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body else []
        done = self.machine.run("curl", "-sS", *words, *more, path if path.startswith("http") else HERE + path)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def run_of(self, task, *states):
        """Run a task once, now; its run when it is in one of these states."""
        made = self.ask("/jobs", "-i", task=task, name=task, interval={"days": 1})
        job = present(re.search(r"(?m)^Location: (\S+)", made))[1]
        self.ask(f"{job}/run", "-X", "POST")
        return until(lambda: next((run for run in self.runs(job) if run["state"] in states), None))

    def runs(self, job):
        return json.loads(self.ask(f"{job}/runs"))["values"]


@pytest.fixture
def unit(tmp_path):
    with booted(tmp_path / "machine") as machine:
        unit = Unit(machine)
        unit.install()
        yield unit


def test_a_whole_life_under_systemd(unit):
    unit.control("start", "jobsched")  # comes back when READY was told: not before it serves
    assert json.loads(unit.ask("/catalog"))["tasks"][0] == "runfoo"
    assert (unit.show("ActiveState"), unit.show("StatusText")) == ("active", "serves, and runs what is due")
    assert unit.machine.run("stat", "-c", "%U %a", "/var/lib/jobsched").stdout == "jobsched 700\n"

    assert_confined(unit)

    before = unit.show("MainPID")
    unit.control("reload", "jobsched")
    until(lambda: "the catalog was read again" in unit.log)
    until(lambda: unit.show("StatusText") == "serves, and runs what is due")
    assert unit.show("MainPID") == before

    # What hides from the daemon is ended by systemd, for it cannot leave the control group.
    unit.run_of("leave", "succeeded")
    until(lambda: LEFT in unit.machine.lives())
    unit.control("stop", "jobsched")
    assert (unit.show("ActiveState"), unit.show("Result")) == ("inactive", "success")
    assert "received SIGTERM, stopping" in unit.log
    assert LEFT not in unit.machine.lives()
    assert unit.show("NRestarts") == "0"


def assert_confined(unit):
    """What the unit's hardening means to a run."""
    run = unit.run_of("look", "succeeded", "failed")
    said = unit.ask(f"/runs/{run['id']}/output")
    assert "NoNewPrivs:\t1" in said
    for path in ("/usr/touched", "/etc/touched", "/boot/touched", "/sys/fs/cgroup/touched"):
        assert f"'{path}': Read-only file system" in said
    assert "touched in /tmp\n" in said
    assert unit.machine.run("ls", "/tmp/touched").returncode != 0
    assert "chmod: changing permissions of 'file': Operation not permitted" in said
    assert "\njobsched\n0022\nenv: \n" in said


def test_a_daemon_that_dies_or_hangs_is_started_again(unit):
    unit.edit(f"Environment=PYTHONPATH={SOURCE}", "WatchdogSec=3", "RestartSec=0")
    unit.control("start", "jobsched")
    unit.run_of("leave", "succeeded")
    assert LEFT in unit.machine.lives()
    unit.machine.run("kill", "-KILL", unit.show("MainPID"))
    until(lambda: unit.show("NRestarts") == "1" and unit.show("ActiveState") == "active")
    assert LEFT not in unit.machine.lives()  # nothing of the first one is there

    unit.ask("/jobs", task="hang", name="hang", interval={"seconds": 1}, max_runs=1)
    until(lambda: unit.show("NRestarts") == "2" and unit.show("ActiveState") == "active")
    assert "jobsched.service: Watchdog timeout" in unit.log
    [run] = until(lambda: [run for run in json.loads(unit.ask("/runs"))["values"] if run["task"] == "hang"])
    assert run["state"] == "lost"
