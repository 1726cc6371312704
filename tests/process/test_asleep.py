"""Processes in uninterruptible sleep, which KILL does not end: neither their run nor the daemon waits for them."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import os
import subprocess
import uuid
from pathlib import Path
from time import monotonic
from typing import Any, cast
from unittest import SkipTest

import attrs
from twisted.internet import reactor
from twisted.internet.task import Clock, deferLater

from jobsched.reactor_types import Reactor
from jobsched.runner import deadline, process, procfs, recovery
from jobsched.runner.control_group import ControlGroups
from jobsched.runner.deadline import Stop
from jobsched.runner.group import began
from jobsched.runner.process import ScriptProcess
from jobsched.runner.procfs import Found, stat, state
from jobsched.runner.session import Sessions
from jobsched.store.sql import runs as run_rows
from tests.present import present

from .ground import EVER, RunnerCase, own_environment
from .test_shutdown import set_pid

FREEZER = Path("/sys/fs/cgroup/freezer")  # of version 1: what it freezes is in state D, and KILL waits for the thaw
ASKED = Stop("cancelled", "cancelled by a caller")
QUIET = "</dev/null >/dev/null 2>&1"


def name(pid):
    """The program that a process runs, as the kernel calls it."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


class Frozen:
    """A group of processes that can be put to uninterruptible sleep."""

    def __init__(self):
        self._folder = FREEZER / f"jobsched-test-{uuid.uuid4().hex}"
        try:
            self._folder.mkdir()
        except OSError as why:
            raise SkipTest(f"no process can be put to uninterruptible sleep here: {why}") from None

    def freeze(self, pid):
        """Put that process to sleep; returns when it is."""
        (self._folder / "cgroup.procs").write_text(str(pid))
        (self._folder / "freezer.state").write_text("FROZEN")
        while (self._folder / "freezer.state").read_text() != "FROZEN\n":
            continue

    async def thaw(self):
        """Wake what sleeps; what was killed meanwhile ends now."""
        if not self._folder.exists():
            return
        (self._folder / "freezer.state").write_text("THAWED")
        while (self._folder / "cgroup.procs").read_text():
            await deferLater(reactor, 0.01)
        self._folder.rmdir()


class AsleepCase(RunnerCase):
    limits = attrs.evolve(RunnerCase.limits, grace=0.3)

    def setUp(self):
        self.frozen = Frozen()
        super().setUp()
        self.addCleanup(self.frozen.thaw)  # before the look for the living
        self.patch(deadline, "AGAIN", 0.2)
        self.patch(deadline, "HOPELESS", 0.6)

    async def asleep(self, text=f"echo $$; exec sleep {EVER}", **options):
        """A run whose process, or the one that it names, is in uninterruptible sleep; and its pid."""
        run = await self.start(self.bash(text, **options))
        await self.printed(run, b"\n")
        pid = int(self.output(run))
        await self.until(lambda: name(pid) == "sleep")  # the shell's child has become it
        self.frozen.freeze(pid)
        self.assertEqual(state(pid), "D")
        return run, pid

    async def outcome(self, run):
        """As soon as it is stored: its process still sleeps."""
        return await self.when_stored(run, lambda stored: not stored.active)


class GivenUpTests(AsleepCase):
    async def test_a_run_at_its_deadline_is_ended_and_its_record_says_why(self):
        begun = monotonic()
        run, pid = await self.asleep(limits="nice=1")
        self.runner.stop(run.id, Stop("timed_out", "ran longer than its 1 s"))
        found = await self.outcome(run)

        self.assertEqual((found.state, found.exit_code, found.signal), ("timed_out", None, None))
        asleep = f"process {pid} (sleep) is in uninterruptible sleep (state D), which KILL does not end: given up"
        self.assertEqual(found.reason, f"ran longer than its 1 s; {asleep}")
        self.assertLess(monotonic() - begun, 20)
        self.assertEqual((self.runner.active, state(pid)), (0, "D"))
        await self.frozen.thaw()
        await self.until(lambda: state(pid) == "")  # KILL has waited for it
        self.assertEqual((await self.stored(run)).reason, found.reason)

    async def test_what_a_script_left_behind_is_given_up_too(self):
        left = f"sleep {EVER} {QUIET} & echo $!; until [ -e go ]; do sleep 0.01; done"
        run, pid = await self.asleep(left, directory=str(self.folder))
        (self.folder / "go").touch()
        found = await self.outcome(run)

        self.assertEqual((found.state, found.exit_code, found.left_behind), ("succeeded", 0, 1))
        self.assertIn(f"finished; process {pid} (sleep) is in uninterruptible sleep (state D)", found.reason)

    async def test_what_does_not_die_otherwise_is_waited_for(self):
        """The time is over, but it is not asleep: it works on, and so does its run."""
        run, pid = await self.asleep()
        self.patch(procfs, "state", lambda pid: "R")
        self.runner.stop(run.id, ASKED)
        call = self.runner._active[run.id].call
        await self.until(lambda: call.deadline.hopeless)
        await deferLater(reactor, 3 * deadline.AGAIN)
        self.assertEqual((await self.stored(run)).state, "stopping")
        await self.frozen.thaw()

        self.assertIn((await self.end(run)).signal, ("SIGTERM", "SIGKILL"))  # it had both when it woke
        self.assertEqual(state(pid), "")


class EscapedTests(AsleepCase):
    limits = attrs.evolve(RunnerCase.limits, grace=20)  # only a failure takes so long

    async def test_what_left_the_session_and_fell_asleep_is_not_forgotten(self):
        """Its environment is not read while it sleeps: it is known from before."""
        run = await self.start(self.bash(f"trap '' TERM; setsid sleep {EVER} & echo $!; wait"))
        await self.printed(run, b"\n")
        pid = int(self.output(run))
        await self.until(lambda: name(pid) == "sleep")  # it is told by the name that it has at the first look
        self.runner.stop(run.id, ASKED)
        call = self.runner._active[run.id].call
        await self.until(lambda: pid in [each.pid for each in call._remaining.known])
        self.frozen.freeze(pid)
        self.runner.stop(run.id, attrs.evolve(ASKED, grace=0))

        self.assertIn(f"{pid} (sleep) is in uninterruptible sleep", (await self.outcome(run)).reason)


class EndOfTheDaemonTests(AsleepCase):
    async def test_it_does_not_wait_for_what_sleeps(self):
        self.patch(deadline, "HOPELESS", EVER)
        self.patch(deadline, "ABANDONED", 0.6)
        run, pid = await self.asleep()
        begun = monotonic()
        await self.runner.stopService()

        self.assertLess(monotonic() - begun, 10)
        self.assert_outcome(await self.stored(run), "cancelled", "shutdown", f"{pid} (sleep)", "(state D)")

    async def test_nor_for_what_may_not_be_signalled(self):
        """As with `sudo`: the group is another user's."""

        def refuse(*_):
            raise PermissionError(1, "Operation not permitted")

        self.patch(deadline, "ABANDONED", 0.6)
        run = await self.start(self.bash(f"echo ready; exec sleep {EVER}"))
        await self.printed(run, b"ready")
        forbidden = self.patch(os, "killpg", refuse)
        await self.runner.stopService()
        forbidden.restore()
        found = await self.stored(run)
        self.assert_outcome(found, "cancelled", "shutdown", "(sleep) is still there after KILL (state S): given up")
        os.kill(found.pid, 9)

    async def test_nor_for_a_look_that_does_not_come_back(self):
        self.patch(deadline, "ABANDONED", 0.6)
        run, pid = await self.asleep()
        self.patch(self.runner._calls._scripts._survey, "_begin", lambda: None)
        await self.runner.stopService()

        self.assert_outcome(await self.stored(run), "cancelled", "shutdown", f"{pid} (sleep)", "(state D)")


class RecoveryTests(AsleepCase):
    async def test_a_sleeper_of_the_daemon_before_holds_up_no_start(self):
        self.patch(recovery, "HOPELESS", 0.6)
        self.patch(recovery, "AGAIN", 0.2)
        run = await self.store_run("words", node_id="an-earlier-start")
        left = subprocess.Popen(
            ["sleep", str(EVER)], env=own_environment(JOBSCHED_RUN_ID=run.id), start_new_session=True
        )
        await self.store_run("words", node_id="an-earlier-start")
        self.addCleanup(left.wait)
        self.addCleanup(self.frozen.thaw)
        self.addCleanup(left.kill)
        await self.store.write(set_pid, run.id, left.pid, began(present(stat(left.pid)).began))
        self.frozen.freeze(left.pid)
        await self.runner.recover(await self.store.read(run_rows.left_behind, "this-start-of-this-node"))
        found = await self.stored(run)

        self.assert_outcome(found, "lost", f"({left.pid})", "were killed", "is in uninterruptible sleep (state D)")


class EdgeTests(RunnerCase):
    """The same where nothing can be frozen: what /proc tells is made up."""

    async def test_what_kill_does_not_end_is_given_up_when_it_sleeps(self):
        class ProcessSurvey:
            """Finds one process for ever."""

            groups = ControlGroups(None)

            def of(self, run_id, leader):
                found = Found(pid=4194305, name="dd", state="D", group=leader, session=leader, began=1, inside=True)
                return deferLater(clock, 0, lambda: [found])

            def session_is_empty(self, session, since):
                return False

        class Nowhere:
            full = False

            def write(self, data):
                """Nothing is kept."""

        clock, stdin = Clock(), os.open(os.devnull, os.O_RDONLY)
        self.patch(procfs, "lives", lambda found: True)
        self.patch(procfs, "state", lambda pid: "D")
        self.patch(procfs, "is_free", lambda pid: False)
        survey, output = cast(Any, ProcessSurvey()), cast(Any, Nowhere())
        script = ScriptProcess(Sessions(cast(Reactor, reactor)), clock, survey, "a-run", output, 5)
        script.spawn(["/bin/true"], dict(os.environ), stdin)
        os.close(stdin)
        await self.until(clock.getDelayedCalls)
        passed = 0.0
        while not script.ended.called:
            passed += 0.1
            clock.advance(0.1)
            self.assertLess(passed, 60)
        process_exit = await script.ended

        self.assertGreater(passed, process.PATIENCE + 5 + deadline.HOPELESS)
        self.assertEqual([each.pid for each in process_exit.given_up], [4194305])
        self.assertEqual((process_exit.exit_code, len(present(process_exit.left))), (0, 1))
        self.assertEqual(clock.getDelayedCalls(), [])
