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
WAIT = """#!/bin/sh
echo $$
until [ -e go ]; do sleep 0.1; done
echo went on
exit 3
"""
WHERE = """#!/bin/sh
cat /proc/self/cgroup
"""
# What `DelegateSubgroup=main` does, which systemd 254 has.
BELOW = """#!/bin/sh
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir -p "$group/main"
echo $$ >"$group/main/cgroup.procs"
exec /opt/jobsched/bin/twistd "$@"
"""
LEFT = ["sleep", "1000"]
CATALOG = "[hang]\nfile = hang.py\nclass = Hang\n" + "".join(
    f"[{name}]\nfile = runscript.py\nclass = RunScript\nscript = {script}.sh\n{more}"
    for name, script, more in (
        ("look", "look", ""),
        ("leave", "leave", ""),
        ("wait", "wait", ""),
        ("where", "where", ""),
        ("bounded", "where", "limits = pids=50\n"),
    )
)


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
        write("/etc/jobsched/tasks/wait.sh", WAIT, "0755")
        write("/etc/jobsched/tasks/where.sh", WHERE, "0755")
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

    def run_now(self, run):
        """A run as it is now."""
        return json.loads(self.ask(f"/runs/{run['id']}"))

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

    # What a run that succeeded has left behind is nobody's: no stop ends it.
    unit.run_of("leave", "succeeded")
    until(lambda: LEFT in unit.machine.lives())
    unit.control("stop", "jobsched")
    assert (unit.show("ActiveState"), unit.show("Result")) == ("inactive", "success")
    until(lambda: "received SIGTERM, stopping" in unit.log)
    assert LEFT in unit.machine.lives()
    assert unit.show("NRestarts") == "0"
    until(lambda: not executors(unit))


def executors(unit):
    return [words for words in unit.machine.lives() if "jobsched.executor" in words]


def assert_confined(unit):
    """What the unit's hardening means to a run."""
    run = unit.run_of("look", "succeeded", "failed")
    said = unit.ask(f"/runs/{run['id']}/output")
    assert "NoNewPrivs:\t1" in said
    for path in ("/usr/touched", "/etc/touched", "/boot/touched"):
        assert f"'{path}': Read-only file system" in said
    assert "'/sys/fs/cgroup/touched': Permission denied" in said
    assert "touched in /tmp\n" in said
    assert unit.machine.run("ls", "/tmp/touched").returncode == 0
    assert "chmod: changing permissions of 'file': Operation not permitted" in said
    assert "\njobsched\n0022\nenv: \n" in said


def test_a_daemon_that_dies_or_hangs_is_started_again(unit):
    unit.edit(f"Environment=PYTHONPATH={SOURCE}", "WatchdogSec=10", "RestartSec=0")
    unit.control("start", "jobsched")
    unit.run_of("leave", "succeeded")
    until(lambda: LEFT in unit.machine.lives())
    unit.machine.run("kill", "-KILL", unit.show("MainPID"))
    until(lambda: unit.show("NRestarts") == "1" and unit.show("ActiveState") == "active")
    assert LEFT in unit.machine.lives(), "nobody looks for what a run that succeeded has left"

    unit.ask("/jobs", task="hang", name="hang", interval={"seconds": 1}, max_runs=1)
    until(lambda: unit.show("NRestarts") == "2" and unit.show("ActiveState") == "active")
    until(lambda: "jobsched.service: Watchdog timeout" in unit.log)
    until(lambda: ("hang", "lost") in [(run["task"], run["state"]) for run in json.loads(unit.ask("/runs"))["values"]])


def test_runs_outlive_the_daemon_under_systemd(unit):
    unit.edit(f"Environment=PYTHONPATH={SOURCE}", "RestartSec=0")
    unit.control("start", "jobsched")
    run = unit.run_of("wait", "running")
    pid = pid_of(unit, run)

    unit.control("restart", "jobsched")
    assert_goes_on(unit, run, pid)
    unit.machine.run("kill", "-KILL", unit.show("MainPID"))
    until(lambda: unit.show("NRestarts") == "1" and unit.show("ActiveState") == "active")
    assert_goes_on(unit, run, pid)
    unit.control("stop", "jobsched")
    assert (unit.show("ActiveState"), unit.show("Result")) == ("inactive", "success")
    assert unit.machine.run("kill", "-0", pid).returncode == 0
    said = unit.machine.run("systemctl", "status", "--no-pager", "jobsched").stdout
    assert "wait.sh" in said, said
    assert "jobsched.executor" in said, said
    unit.control("start", "jobsched")
    assert_goes_on(unit, run, pid)
    # Delegate=yes gives it one, unless this kernel is slow at it, by which the executor has none.
    group = unit.machine.run("cat", f"/proc/{pid}/cgroup").stdout
    said = unit.machine.run("sh", "-c", "cat /var/lib/jobsched/executors/*.log").stdout
    assert f"/jobsched/{run['id']}" in group or "runs have no control groups: a move takes" in said, said

    unit.machine.run("touch", "/var/lib/jobsched/go")
    ended = until(lambda: (found := unit.run_now(run))["state"] == "failed" and found)
    assert ended["exit_code"] == 3
    assert unit.ask(f"/runs/{run['id']}/output") == f"{pid}\nwent on\n"


def test_a_stop_that_is_to_end_runs_ends_all_under_systemd(unit):
    unit.control("start", "jobsched")
    run = unit.run_of("wait", "running")
    pid = pid_of(unit, run)
    stop = [
        f"{PYTHON}/bin/{Path(sys.executable).name}",
        "-m",
        "jobsched",
        "stop",
        "--runs",
        "--state-dir",
        "/var/lib/jobsched",
    ]
    done = unit.machine.run("env", f"PYTHONPATH={SOURCE}", *stop)
    assert done.returncode == 0, done.stdout
    until(lambda: unit.show("ActiveState") == "inactive")
    assert unit.show("Result") == "success"
    assert unit.machine.run("kill", "-0", pid).returncode != 0
    until(lambda: not executors(unit))
    unit.machine.write("/etc/jobsched/jobsched.cfg", (ROOT / "conf/jobsched.cfg").read_text() + 'ON_STOP = "end"\n')
    unit.control("start", "jobsched")
    assert unit.run_now(run)["state"] == "cancelled"
    unit.run_of("wait", "running")
    unit.control("stop", "jobsched")
    assert not [words for words in unit.machine.lives() if "jobsched" in " ".join(words)], "the file says so"


def pid_of(unit, run):
    """What the task `wait` prints first."""
    return until(lambda: unit.ask(f"/runs/{run['id']}/output").split())[0]


def assert_goes_on(unit, run, pid):
    """Whether a run is that of the same process still."""
    now = unit.run_now(run)
    assert (now["state"], str(now["pid"])) == ("running", pid), unit.log
    assert unit.machine.run("kill", "-0", pid).returncode == 0


def test_runs_stand_beside_a_daemon_in_a_subgroup(unit):
    """So their groups can have controllers, and the next start finds no run in its way."""
    unit.machine.write("/opt/jobsched/bin/below", BELOW, "0755")
    start = re.search(r"(?m)^ExecStart=\S+(.*)$", (ROOT / "packaging/jobsched.service").read_text())
    unit.edit(f"Environment=PYTHONPATH={SOURCE}", "ExecStart=", f"ExecStart=/opt/jobsched/bin/below{present(start)[1]}")
    unit.control("start", "jobsched")
    run = unit.run_of("where", "succeeded", "failed")
    place = unit.ask(f"/runs/{run['id']}/output").strip().splitlines()[-1]
    assert place.endswith(f"jobsched.service/jobsched/{run['id']}"), place

    bounded = unit.run_of("bounded", "succeeded", "failed")
    offered = unit.machine.run("cat", "/sys/fs/cgroup/system.slice/jobsched.service/cgroup.controllers").stdout.split()
    if "pids" in offered:
        assert bounded["state"] == "succeeded"
    else:
        assert bounded["reason"].startswith("could not start: limit pids=50: "), bounded
        assert bounded["reason"].endswith("jobsched.service has no controller pids"), bounded
