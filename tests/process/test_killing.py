"""The end of a run that does not end by itself, and of everything that it started."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import os
import sys
from time import monotonic

import attrs

from jobsched.runner import process
from jobsched.runner.deadline import Stop
from jobsched.runner.process import ScriptProcess
from jobsched.runner.procfs import stat, state

from .ground import EVER, RunnerCase, alive, lives, number_of

ASKED = Stop("cancelled", "cancelled by a caller")


class DeadlineTests(RunnerCase):
    async def test_a_script_that_ignores_term_is_killed_after_the_grace(self):
        begun = monotonic()
        run = await self.ended_late(self.bash("trap '' TERM; echo ready; while :; do sleep 0.05; done"))

        self.assertEqual(run.signal, "SIGKILL")
        self.assert_outcome(run, "timed_out", "ran longer than its 0 s", "was killed")
        self.assertGreaterEqual(monotonic() - begun, self.limits.grace)
        self.assertTrue(run.started <= run.term_at < run.kill_at <= run.ended)

    async def test_the_first_reason_stays(self):
        run = await self.start(self.bash("trap '' TERM; echo ready; while :; do sleep 0.05; done"))
        await self.printed(run, b"ready")
        self.runner.stop(run.id, ASKED)
        self.runner.stop(run.id, Stop("timed_out", "another"))

        self.assert_outcome(await self.end(run), "cancelled", "cancelled by a caller")

    async def test_a_stop_before_the_program_has_begun_reaches_it(self):
        task = self.bash(f"sleep {EVER}")
        runs = [await self.store_run(task) for _ in range(10)]
        self.runner.start(runs)
        for run in runs:
            self.runner.stop(run.id, ASKED)

        for run in runs:
            self.assert_outcome(await self.end(run), "cancelled")

    async def test_a_run_that_was_doomed_before_its_start_does_not_start(self):
        run = await self.store_run(self.bash("echo never"))
        self.assertFalse(self.runner.stop(run.id, ASKED))
        self.runner.start([run])

        self.assert_outcome(await self.end(run), "cancelled", "by a caller")
        self.assertEqual(self.output(run), b"")

    async def test_a_script_that_stopped_itself_is_killed(self):
        run = await self.start(self.bash("kill -STOP $$"))
        call = self.runner._active[run.id].call
        await self.until(lambda: call.pid is not None and state(call.pid) == "T")
        call.deadline.arm(0)
        run = await self.end(run)

        self.assertEqual(run.signal, "SIGKILL")
        self.assert_outcome(run, "timed_out")

    async def test_a_script_whose_child_is_stopped_is_killed_with_it(self):
        task = self.bash(f"sleep {EVER} & kill -STOP $!; echo $!; wait")
        run = await self.ended_late(task)

        self.assert_outcome(run, "timed_out")
        self.assertFalse(lives(number_of(self.output(run))))

    async def test_a_script_that_becomes_another_program_is_still_reached(self):
        run = await self.ended_late(self.bash(f"echo $$; exec sleep {EVER}"))

        self.assert_outcome(run, "timed_out")
        self.assertFalse(lives(number_of(self.output(run))))


class HeedingTests(RunnerCase):
    limits = attrs.evolve(RunnerCase.limits, grace=20)  # only a failure takes so long

    async def test_a_script_that_heeds_term_ends_at_its_deadline(self):
        begun = monotonic()
        run = await self.run_of(self.bash(f"echo ready; sleep {EVER}"), timeout=0.5)

        self.assertEqual((run.exit_code, run.signal), (None, "SIGTERM"))
        self.assert_outcome(run, "timed_out", "ran longer than its 0.5 s")
        self.assertNotIn("killed", run.reason)
        self.assertGreaterEqual(monotonic() - begun, 0.5)
        self.assertTrue(run.started <= run.term_at <= run.ended)
        self.assertIsNone(run.kill_at)

    async def test_a_run_that_is_being_ended_says_so(self):
        run = await self.start(self.bash("trap 'echo told' TERM; echo ready; while :; do sleep 0.05; done"))
        await self.printed(run, b"ready")
        self.runner.stop(run.id, ASKED)
        await self.printed(run, b"told")
        stopping = await self.when_stored(run, lambda stored: stored.state != "running")

        self.assertEqual((stopping.state, stopping.reason), ("stopping", "cancelled by a caller"))
        self.assertIsNotNone(stopping.term_at)
        self.assertIsNone(stopping.kill_at)
        self.runner.stop(run.id, attrs.evolve(ASKED, grace=0))
        self.assert_outcome(await self.end(run), "cancelled", "cancelled by a caller", "was killed")

    async def test_a_script_may_clean_up_when_it_is_told_to_end(self):
        task = self.bash(f"trap 'echo cleaning; exit 7' TERM; echo ready; sleep {EVER} & wait")
        run = await self.ended_late(task)

        self.assertEqual((run.exit_code, run.signal), (7, None))
        self.assert_outcome(run, "timed_out")
        self.assertEqual(self.output(run), b"ready\ncleaning\n")


class LeftBehindTests(RunnerCase):
    """What a script started must not outlive a run that was stopped, nor hold open one that has ended."""

    async def test_a_child_that_ignores_term_dies_with_its_script(self):
        task = self.bash("(trap '' TERM; echo $BASHPID; while :; do sleep 0.05; done) & wait")
        run = await self.ended_late(task)

        self.assert_outcome(run, "timed_out")
        self.assertFalse(lives(number_of(self.output(run))))
        self.assertLess(run.term_at, run.kill_at)

    async def test_a_child_that_lost_its_mark_dies_with_its_script(self):
        orphan = "env -i sh -c \"trap '' TERM; echo \\$\\$; while :; do sleep 0.05; done\""
        task = self.bash(f"trap '' TERM; {orphan} & sleep {EVER}")
        run = await self.ended_late(task)

        self.assert_outcome(run, "timed_out")
        self.assertFalse(lives(number_of(self.output(run))))

    async def test_a_child_in_a_group_of_its_own_dies_with_its_script(self):
        run = await self.ended_late(self.bash(f"set -m; sleep {EVER} & echo $!; wait"))

        self.assert_outcome(run, "timed_out")
        self.assertFalse(lives(number_of(self.output(run))))

    async def test_a_grandchild_outside_the_session_dies_with_its_script(self):
        task = self.bash(f"setsid sh -c \"trap '' TERM; echo \\$\\$; exec sleep {EVER}\" & wait")
        run = await self.ended_late(task)

        self.assert_outcome(run, "timed_out")
        self.assertFalse(lives(number_of(self.output(run))))

    async def test_a_grandchild_outside_with_closed_output_dies_too(self):
        task = self.bash(f"setsid sh -c 'echo $$; exec sleep {EVER} <&- >&- 2>&-' & sleep {EVER}")
        run = await self.ended_late(task)

        self.assert_outcome(run, "timed_out")
        self.assertFalse(lives(number_of(self.output(run))))

    async def test_a_double_forked_daemon_dies_with_a_stopped_script(self):
        source = (
            "import os, time\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork() == 0:\n"
            "        print(os.getpid(), flush=True)\n"
            "        os.closerange(0, 10)\n"
            f"        time.sleep({EVER})\n"
            "    os._exit(0)\n"
            f"time.sleep({EVER})\n"
        )
        run = await self.ended_late(self.words(sys.executable, "-c", source))

        self.assert_outcome(run, "timed_out")
        self.assertFalse(lives(number_of(self.output(run))))

    async def test_one_that_starts_new_ones_all_the_time_is_ended(self):
        loop = "while :; do setsid sleep 1000 & sleep 0.01; done"
        run = await self.run_of(self.bash(f"trap '' TERM; {loop}"), timeout=0.5)

        self.assert_outcome(run, "timed_out")

    async def test_what_is_left_in_the_group_of_an_ended_script_is_killed(self):
        begun = monotonic()
        run = await self.run_of(self.bash(f"sleep {EVER} <&- >&- 2>&- & echo $!"))

        self.assert_outcome(run, "succeeded")
        self.assertFalse(lives(number_of(self.output(run))))
        self.assertLess(monotonic() - begun, EVER / 10)

    async def test_a_child_with_the_output_open_does_not_hold_up_the_end(self):
        run = await self.run_of(self.bash(f"(trap '' TERM; sleep {EVER}) & echo $!; exit 3"))

        self.assertEqual(run.exit_code, 3)
        self.assert_outcome(run, "failed", "exit code 3")
        self.assertFalse(lives(number_of(self.output(run))))

    async def test_one_outside_with_the_output_open_holds_up_no_end(self):
        run = await self.run_of(self.bash(f"setsid sleep {EVER} & echo $!; exit 0"))

        self.assert_outcome(run, "succeeded")

    async def test_one_that_left_the_session_and_prints_for_ever_is_ended(self):
        prints = "setsid sh -c 'while :; do echo more; : > begun; done'"
        task = self.bash(f"{prints} & until [ -e begun ]; do sleep 0.01; done", directory=str(self.folder))
        run = await self.run_of(task)

        self.assert_outcome(run, "succeeded")
        self.assertIn(b"more\n", self.output(run))

    async def test_a_child_that_ends_soon_after_its_script_is_let_finish(self):
        self.patch(process, "PATIENCE", 20)
        run = await self.run_of(self.bash("(sleep 0.2; echo late) & echo early"))

        self.assert_outcome(run, "succeeded")
        self.assertEqual(self.output(run), b"early\nlate\n")

    async def test_a_detached_daemon_outlives_a_script_that_ended_well(self):
        daemon = f"setsid sh -c 'echo $$; exec sleep {EVER} <&- >&- 2>&-'"
        run = await self.start(self.bash(f"{daemon} & until grep -q sleep /proc/$!/comm; do sleep 0.01; done"))
        found = await self.when_stored(run, lambda stored: not stored.active)

        self.assert_outcome(found, "succeeded")
        [daemon] = alive(run.id)
        self.assertEqual(daemon.pid, number_of(self.output(run)))
        daemon.kill()
        daemon.wait()


class AfterwardsTests(RunnerCase):
    async def test_a_stop_after_the_end_reaches_nobody(self):
        """While the log is slow the run is not over, but its process is, and its pid may be another's."""
        sent = []
        run = await self.start(self.bash("echo a; echo b"))
        self.lines.gate.clear()
        call = self.runner._active[run.id].call
        await self.until(lambda: call.ended.called)
        self.patch(os, "killpg", lambda *args: sent.append(args))
        self.patch(os, "kill", lambda *args: sent.append(args))
        self.assertTrue(self.runner.stop(run.id, ASKED))
        self.lines.gate.set()

        self.assert_outcome(await self.end(run), "succeeded")
        self.assertEqual(sent, [])

    async def test_one_that_ended_while_all_slept_is_not_stopped(self):
        for leftovers in ("", "wait"):
            run = await self.store_run(self.bash("echo done; exit 3", name=f"quick{leftovers}", leftovers=leftovers))
            self.runner.start([run])
            pid = self.runner._active[run.id].call.pid
            while (seen := stat(pid)) is not None and not seen.dead:  # the reactor does not get to turn meanwhile
                continue
            self.runner.stop(run.id, Stop("lost", "this node was asleep", abandon=True, grace=1))
            found = await self.end(run)

            self.assert_outcome(found, "failed", "exit code 3, last line: done")
            self.assertEqual((found.exit_code, found.left_behind, self.output(run)), (3, 0, b"done\n"))

    async def test_one_that_may_not_be_signalled_ends_when_it_ends(self):
        """As with `sudo`: the group is another user's."""

        def refuse(*_):
            raise PermissionError(1, "Operation not permitted")

        os.mkfifo(self.folder / "fifo")
        run = await self.start(self.bash("echo ready; read -r < fifo", directory=str(self.folder)))
        await self.printed(run, b"ready")
        forbidden = self.patch(os, "killpg", refuse)
        self.assertTrue(self.runner.stop(run.id, ASKED))
        await self.when_stored(run, lambda stored: stored.state == "stopping")
        (self.folder / "fifo").write_text("go\n")
        found = await self.end(run)
        forbidden.restore()

        self.assertEqual(found.exit_code, 0)
        self.assert_outcome(found, "cancelled", "by a caller")


class FaultTests(RunnerCase):
    """A fault of ours is told, and no run stays `running` for it."""

    def once(self, name):
        """That method of a process fails the first time that it is called."""
        real, calls = getattr(ScriptProcess, name), []

        def broken(process, *given):
            calls.append(process)
            if len(calls) == 1:
                raise LookupError("a fault of ours")
            return real(process, *given)

        self.patch(ScriptProcess, name, broken)
        self.addCleanup(self.assertNotEqual, calls, [])

    def told(self):
        return [str(failure.value) for failure in self.flushLoggedErrors(LookupError)]

    async def test_a_look_that_fails_is_made_again(self):
        self.once("_look_once")
        self.assert_outcome(await self.run_of(self.bash("echo fine")), "succeeded")
        self.assertEqual(self.told(), ["a fault of ours"])

    async def test_an_answer_that_cannot_be_dealt_with_is_asked_for_again(self):
        self.once("_answer")
        run = await self.run_of(self.bash(f"sleep {EVER} & echo begun"))
        self.assert_outcome(run, "succeeded", "was ended")
        self.assertEqual(self.told(), ["a fault of ours"])

    async def test_an_end_that_cannot_be_put_into_words_is_a_failure(self):
        self.once("_process_exit")
        self.assert_outcome(await self.run_of(self.bash("echo fine")), "failed", "Jobsched failed: a fault of ours")
        self.assertEqual(self.told(), ["a fault of ours"] * 2)
