"""The end of a runner, and the start of the next: nothing may be left alive, nor be left unrecorded."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import contextlib
import os
import signal
import subprocess
import threading
from time import monotonic
from unittest import mock

import attrs
import psutil
from twisted.internet import reactor

from jobsched.runner import group, procfs
from jobsched.runner.group import began
from jobsched.runner.output_file import output_path
from jobsched.runner.procfs import stat
from jobsched.runner.recovery import end_orphans
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.tables import runs
from tests.present import present

from .ground import EVER, RunnerCase, alive, leads, lives, own_environment

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


class StopTests(RunnerCase):
    async def test_scripts_get_term_then_kill_and_are_recorded(self):
        heeding = await self.start(self.bash(f"echo ready; sleep {EVER}", name="heeding"))
        ignoring = await self.start(self.bash(STUBBORN, name="ignoring"))
        for run in heeding, ignoring:
            await self.printed(run, b"ready")
        begun = monotonic()
        await self.runner.stopService()

        self.assertGreaterEqual(monotonic() - begun, self.limits.grace)
        for run, by in (heeding, "SIGTERM"), (ignoring, "SIGKILL"):
            found = await self.stored(run)
            self.assertEqual((found.signal, alive(run.id)), (by, []))
            self.assert_outcome(found, "cancelled", "shutdown")

    async def test_a_thread_that_never_returns_is_abandoned_and_recorded(self):
        source = (
            "import sys, threading\nclass T:\n    go, done = threading.Event(), threading.Event()\n"
            "    def __call__(self, info):\n        print('begun')\n        out = sys.stdout\n        self.go.wait()\n"
            "        print('late', file=out)\n        self.done.set()\n"
        )
        run = await self.start(self.python(source))
        await self.printed(run, b"begun")
        await self.runner.stopService()

        self.assert_outcome(await self.stored(run), "cancelled", "shutdown")
        call = present(self.catalog_holder.get("python")).call
        call.go.set()
        await self.until(call.done.is_set)
        self.assertEqual(self.output(run), b"begun\n")

    async def test_a_thread_past_its_deadline_does_not_hold_up_the_end(self):
        source = (
            "import threading\nclass T:\n    go = threading.Event()\n"
            "    def __call__(self, info):\n        print('begun')\n        self.go.wait()\n"
        )
        run = await self.start(self.python(source))
        await self.printed(run, b"begun")  # or it would be over, unbegun
        self.be_late(run)
        await self.when_stored(run, lambda stored: stored.state == "stopping")
        await self.runner.stopService()

        self.assert_outcome(await self.stored(run), "timed_out", "ran longer than its 0 s")
        present(self.catalog_holder.get("python")).call.go.set()

    async def test_a_coroutine_that_ignores_its_cancel_is_abandoned(self):
        source = (
            "from twisted.internet.defer import Deferred\nclass T:\n    async def __call__(self, info):\n"
            "        print('begun')\n        while True:\n            try:\n                await Deferred()\n"
            "            except Exception:\n                print('no')\n"
        )
        run = await self.start(self.python(source))
        await self.printed(run, b"begun")
        await self.runner.stopService()

        self.assert_outcome(await self.stored(run), "cancelled", "shutdown")

    async def test_what_an_ended_script_left_is_ended_within_the_grace(self):
        run = await self.start(self.bash(f"(trap '' TERM; exec sleep {EVER}) & echo ready"))
        await self.printed(run, b"ready")
        await self.runner.stopService()

        self.assertFalse((await self.stored(run)).active)
        self.assertEqual(alive(run.id), [])

    async def test_the_reactor_goes_on_while_the_last_chore_is_done(self):
        let_go = threading.Event()
        chore = self.runner.in_thread(let_go.wait, 10)
        reactor.callLater(0.05, let_go.set)
        await self.runner.stopService()
        self.assertIs(await chore, True, "nobody let it go: the reactor stood still")

    async def test_no_new_runs_are_welcome(self):
        self.assertEqual(self.runner.slots, self.limits.max_running)
        run = await self.start(self.bash(STUBBORN))
        await self.printed(run, b"ready")
        self.assertEqual((self.runner.slots, self.runner.active), (self.limits.max_running - 1, 1))
        stopped = self.runner.stopService()
        self.assertEqual(self.runner.slots, 0)
        await stopped
        self.assertEqual(self.runner.active, 0)

    async def test_outcomes_are_told_of_once_they_are_stored(self):
        await self.run_of(self.words("true"))
        await self.until(lambda: self.recorded)

        self.assertEqual(self.recorded, 1)


class HeedingTests(RunnerCase):
    limits = attrs.evolve(RunnerCase.limits, grace=20)  # only a failure takes so long

    async def test_output_that_is_under_way_is_in_the_file_before_the_end(self):
        run = await self.start(self.bash("trap 'seq 100000; exit' TERM; echo ready; while :; do sleep 0.05; done"))
        await self.printed(run, b"ready")
        await self.runner.stopService()

        self.assertTrue(self.output(run).endswith(b"\n99999\n100000\n"))
        self.assertEqual((await self.stored(run)).output_kept, len(self.output(run)))


class RecoveryTests(RunnerCase):
    """What a daemon that was killed left behind: a row that says running, and perhaps its processes."""

    def spawn(self, *argv, **env):
        """A process as a dead daemon left it."""
        process = subprocess.Popen(argv, env=own_environment(**env), start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    async def left(self, task="words", **fields):
        return await self.store_run(task, node_id="an-earlier-start", **fields)

    async def recover(self):
        await self.runner.recover(await self.store.read(run_rows.left_behind, "this-start-of-this-node"))

    async def test_a_marked_process_is_killed_and_its_run_is_lost(self):
        run = await self.left()
        process = self.spawn("sleep", str(EVER), JOBSCHED_RUN_ID=run.id)
        await self.until(lambda: alive(run.id))
        await self.recover()
        found = await self.stored(run)

        self.assert_outcome(found, "lost", "the daemon that ran it is gone", f"({process.pid})", "were ended")
        self.assertFalse(lives(process.pid))

    async def test_one_that_ignores_term_is_killed(self):
        run = await self.left()
        process = self.spawn(self.script(f"exec > /dev/null; {STUBBORN}"), JOBSCHED_RUN_ID=run.id)
        await self.until(lambda: ignores(process.pid))
        await self.recover()

        self.assert_outcome(await self.stored(run), "lost", "were killed")
        self.assertFalse(lives(process.pid))

    async def test_a_run_whose_process_has_ended_is_lost_too(self):
        run = await self.left(pid=2**22 - 1, pid_started=1.0)
        await self.recover()

        self.assert_outcome(await self.stored(run), "lost", "its process had ended")

    async def test_a_run_of_which_no_process_was_recorded_is_lost(self):
        run = await self.left(pid=None)
        await self.recover()

        self.assert_outcome(await self.stored(run), "lost", "its process had ended")

    async def test_a_stranger_with_the_same_pid_is_left_alone(self):
        stranger = self.spawn("sleep", str(EVER))
        run = await self.left(pid=stranger.pid, pid_started=began(present(stat(stranger.pid)).began) - 100)
        await self.recover()

        self.assert_outcome(await self.stored(run), "lost", "its process had ended")
        self.assertTrue(lives(stranger.pid))

    async def test_a_lost_mark_is_made_up_for_by_the_first_process_group(self):
        script = self.script("env -i sleep 1000 & exec sleep 1000")
        run = await self.left()
        process = self.spawn(script, JOBSCHED_RUN_ID=run.id)
        await self.until(lambda: len(psutil.Process(process.pid).children()) == 1)
        [child] = psutil.Process(process.pid).children()
        await self.until(lambda: child.name() == "sleep")  # `env`, which has become it, and no mark any more
        await self.store.write(set_pid, run.id, process.pid, began(present(stat(process.pid)).began))
        await self.recover()

        self.assert_outcome(await self.stored(run), "lost")
        self.assertFalse(lives(process.pid))
        self.assertFalse(lives(child.pid))

    async def test_leftovers_of_an_older_version_are_known_by_its_seconds(self):
        process = self.spawn("env", "-i", "sleep", str(EVER))
        run = await self.left(pid=process.pid, pid_started=present(stat(process.pid)).began / procfs.TICKS)
        await self.recover()

        self.assert_outcome(await self.stored(run), "lost")
        self.assertFalse(lives(process.pid))

    async def test_after_a_reboot_a_stranger_with_pid_and_start_is_spared(self):
        stranger = self.spawn("sleep", str(EVER))
        (self.folder / "before").write_text("b015793d-e6eb-4fae-a6b2-fc8ffed1d0d9\n")
        with mock.patch.object(group, "BOOT", str(self.folder / "before")):
            run = await self.left(pid=stranger.pid, pid_started=began(present(stat(stranger.pid)).began))
        (self.folder / "after").write_text("c2c1e2a4-e6eb-4fae-a6b2-fc8ffed1d0d9\n")
        with mock.patch.object(group, "BOOT", str(self.folder / "after")):
            await self.recover()

        self.assert_outcome(await self.stored(run), "lost", "its process had ended")
        self.assertTrue(lives(stranger.pid))

    async def test_when_a_process_began_is_kept_exactly(self):
        for uptime in (0.01, 12.34, 2.0**32 - 0.01):
            latest = 8191 * group.LONGEST_UP + uptime
            self.assertNotEqual(latest, latest + 0.01)  # a tick
            run = await self.left(pid=1, pid_started=latest)
            self.assertEqual((await self.stored(run)).pid_started, latest)

    async def test_the_rest_of_a_group_is_killed_after_its_first_went(self):
        stubborn = self.script("trap '' TERM; echo ready; while :; do sleep 0.1; done", name="stubborn")
        pipe, end = os.pipe()
        script = self.script(f"env -i {stubborn} >&{end} & exec sleep 1000")
        run = await self.left()
        process = subprocess.Popen(
            [script], env=own_environment(JOBSCHED_RUN_ID=run.id), start_new_session=True, pass_fds=[end]
        )
        self.addCleanup(process.wait)
        os.close(end)
        self.assertEqual(os.read(pipe, 6), b"ready\n")
        os.close(pipe)
        [child] = psutil.Process(process.pid).children()
        self.addCleanup(kill, child)
        await self.store.write(set_pid, run.id, process.pid, began(present(stat(process.pid)).began))
        await self.recover()

        self.assert_outcome(await self.stored(run), "lost", "were killed")
        self.assertFalse(lives(process.pid))
        self.assertFalse(lives(child.pid))

    async def test_many_runs_beside_many_processes_take_one_look(self):
        for _ in range(1000):
            self.spawn("sleep", str(EVER))
        first = self.spawn("sleep", str(EVER))
        for number in range(64):  # an old daemon's pid, a stranger's, and none
            await self.left(pid=[2**22 - 1, first.pid, None][number % 3], pid_started=1.0)
        runs = await self.store.read(run_rows.left_behind, "this-start-of-this-node")
        looks, survey = [], procfs.survey

        def counted(wanted):
            looks.append(len(wanted))
            return survey(wanted)

        self.patch(procfs, "survey", counted)
        found = end_orphans(runs, self.limits.grace)

        self.assertEqual((looks, set(found.values())), ([64], {"its process had ended, how is not known"}))
        await self.recover()

    async def test_runs_of_this_start_are_not_touched(self):
        mine = await self.start(self.bash(STUBBORN))
        await self.printed(mine, b"ready")
        await self.left()
        await self.recover()

        self.assertEqual((await self.stored(mine)).state, "running")
        self.assertEqual(len([process for process in alive(mine.id) if leads(process.pid)]), 1)

    async def test_what_has_ended_stays_as_it_is(self):
        run = await self.left(state="succeeded", reason="finished")
        await self.recover()

        self.assertEqual((await self.stored(run)).reason, "finished")

    async def test_output_of_a_lost_run_stays(self):
        run = await self.left()
        path = output_path(self.output_folder, run.id)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half a li")
        await self.recover()

        self.assertEqual(self.output(run), b"half a li")


def kill(process):
    """End what a failure may have left."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def set_pid(connection, run_id, pid, pid_started):
    """Put the process into the record, as a daemon does after it has started one."""
    connection.execute(runs.update().where(runs.c.id == run_id).values(pid=pid, pid_started=pid_started))


def ignores(pid):
    """Whether TERM would be in vain."""
    with open(f"/proc/{pid}/status") as status:
        ignored = next(line.split()[1] for line in status if line.startswith("SigIgn"))
    return bool(int(ignored, 16) >> (signal.SIGTERM - 1) & 1)
