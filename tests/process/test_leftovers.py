"""What a script leaves behind when it ends by itself: told to end, ended, waited for or kept, and always told of."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import contextlib  # by its whole name: trial takes a `suppress` of a module for its own
import shlex
import sys
from time import monotonic

import attrs
import psutil
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent

from jobsched.runner import process
from jobsched.runner.deadline import Stop
from jobsched.runner.process import PATIENCE

from .ground import EVER, RunnerCase, alive, lives, number_of

ASKED = Stop("cancelled", "cancelled by a caller")

# One process that notes down its pid once it is ready, and `told` when it is told to end.
HEEDING = (
    "import os, signal\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
    "with open('new', 'w') as file: file.write(str(os.getpid()))\n"
    "os.rename('new', 'ready')\n"
    "signal.sigwait([signal.SIGTERM])\n"
    "with open('told', 'w') as file: file.write('told')\n"
)
QUIET = "</dev/null >/dev/null 2>&1"


class LeftoverCase(RunnerCase):
    limits = attrs.evolve(RunnerCase.limits, grace=20)  # only a failure takes so long

    def leaving(self, how="", end="", **options):
        """A task that leaves such a process behind, started with those words in front."""
        command = shlex.join([sys.executable, "-I", "-S", "-c", HEEDING])
        script = f"{how.format(command)} & until [ -e ready ]; do sleep 0.01; done; {end}"
        return self.bash(script, directory=str(self.folder), **options)

    def note(self, name):
        """What stands in that file."""
        return (self.folder / name).read_text()

    async def end_of_run(self, run):
        """Its outcome, whatever lives on."""
        return await self.when_stored(run, lambda stored: not stored.active)

    def kill_what_is_kept(self, run):
        """What was meant to live on; how many that were."""
        kept = alive(run.id)
        for each in kept:
            with contextlib.suppress(psutil.NoSuchProcess):  # a short one of a loop
                each.kill()
                each.wait()
        return len(kept)


class EndTests(LeftoverCase):
    """Without the option."""

    async def test_it_is_told_to_end_first_and_the_record_says_so(self):
        with capturedLogs() as logs:
            run = await self.run_of(self.leaving(f"{{}} {QUIET}"))

        self.assertEqual(self.note("told"), "told")
        self.assertEqual((run.state, run.exit_code, run.left_behind), ("succeeded", 0, 1))
        self.assertEqual(run.reason, "finished; 1 process that it left behind was ended")
        [warning] = [formatEvent(event) for event in logs if event["log_level"] is LogLevel.warn]
        who = f"{self.note('ready')} ({sys.executable.rpartition('/')[2][:15]})"
        self.assertEqual(warning, f"run {run.id} of nightly: 1 process that it left behind was ended: {who}")

    async def test_several_are_counted(self):
        run = await self.run_of(self.bash(f"sleep {EVER} {QUIET} & sleep {EVER} {QUIET} & exit 3"))

        self.assertEqual((run.state, run.left_behind), ("failed", 2))
        self.assertEqual(run.reason, "exit code 3; 2 processes that it left behind were ended")

    async def test_one_in_another_group_of_the_session_stayed_too(self):
        run = await self.run_of(self.bash(f"set -m; sleep {EVER} {QUIET} & echo $!"))

        self.assertEqual(run.reason, "finished; 1 process that it left behind was ended")
        self.assertFalse(lives(number_of(self.output(run))))

    async def test_one_outside_the_session_with_the_output_is_ended_too(self):
        run = await self.run_of(self.leaving("setsid {}"))

        self.assertEqual(self.note("told"), "told")
        self.assertEqual((run.state, run.left_behind), ("succeeded", 1))

    async def test_what_ends_by_itself_in_time_was_not_left_behind(self):
        self.patch(process, "PATIENCE", 20)
        run = await self.run_of(self.bash("(sleep 0.3; echo late) & echo early"))

        self.assertEqual((run.reason, run.left_behind), ("finished", 0))
        self.assertEqual(self.output(run), b"early\nlate\n")

    async def test_nothing_is_left_behind_by_most(self):
        self.assertEqual((await self.run_of(self.words("true"))).left_behind, 0)
        self.assertIsNone(
            (await self.run_of(self.python("class T:\n    def __call__(self, info): pass\n"))).left_behind
        )

    async def test_the_run_holds_its_slot_until_they_are_gone(self):
        run = await self.start(self.bash(f"trap '' TERM; sleep {EVER} {QUIET} & echo $!"))
        await self.until(lambda: self.runner._active[run.id].call.deadline.begun)

        self.assertEqual((await self.stored(run)).state, "running")
        self.assertEqual(self.runner.active, 1)
        self.runner.stop(run.id, attrs.evolve(ASKED, grace=0))
        self.assertEqual((await self.end(run)).state, "succeeded")

    async def test_a_stop_that_comes_then_changes_nothing_but_the_time(self):
        """The script has ended by itself, and that is what is recorded."""
        self.patch(process, "PATIENCE", EVER)
        run = await self.start(self.bash(f"trap '' TERM; sleep {EVER} {QUIET} & echo $!"))
        call = self.runner._active[run.id].call
        await self.until(lambda: call._status is not None)
        self.assertTrue(self.runner.stop(run.id, attrs.evolve(ASKED, grace=0.1)))
        found = await self.end(run)

        self.assertEqual((found.state, found.left_behind), ("succeeded", 1))

    async def test_of_a_run_that_was_stopped_nothing_was_left_behind(self):
        run = await self.run_of(self.bash(f"sleep {EVER} & sleep {EVER}"), timeout=0.3)

        self.assert_outcome(run, "timed_out")
        self.assertEqual((run.reason, run.left_behind), ("ran longer than its 0.3 s", None))

    async def test_a_stop_tells_what_left_the_session_to_end_too(self):
        run = await self.start(self.leaving(f"setsid {{}} {QUIET}", f"sleep {EVER}"))
        await self.until((self.folder / "ready").exists)
        self.runner.stop(run.id, ASKED)
        await self.end(run)

        self.assertEqual(self.note("told"), "told")

    async def test_what_a_script_starts_to_clean_up_is_not_told_to_end(self):
        """TERM goes to what is there: a trap has the grace for its work."""
        self.script("trap 'echo told >> told' TERM; touch begun; sleep 0.3; echo cleaned >> told", name="clean.sh")
        clean = f"setsid {self.folder}/clean.sh; {self.folder}/clean.sh"
        task = self.bash(f"trap '{clean}; exit 0' TERM; echo ready; while :; do sleep 0.01; done",
                         directory=str(self.folder))  # fmt: skip
        run = await self.start(task)
        await self.printed(run, b"ready")

        async def late(*asked):
            await self.until((self.folder / "begun").exists)
            return await self.runner.in_thread(*asked)

        self.patch(
            self.runner._calls._scripts._survey, "_in_thread", lambda *asked: Deferred.fromCoroutine(late(*asked))
        )
        self.runner.stop(run.id, ASKED)
        await self.end(run)

        self.assertEqual(self.note("told"), "cleaned\ncleaned\n")


class StubbornTests(LeftoverCase):
    limits = attrs.evolve(RunnerCase.limits, grace=0.5)

    async def test_one_that_does_not_heed_term_is_killed_after_the_grace(self):
        begun = monotonic()
        run = await self.run_of(self.bash(f"trap '' TERM; sleep {EVER} {QUIET} & echo $!"))

        self.assertGreaterEqual(monotonic() - begun, PATIENCE + self.limits.grace)
        self.assertEqual((run.state, run.left_behind), ("succeeded", 1))
        self.assertFalse(lives(number_of(self.output(run))))


class AlwaysEndTests(LeftoverCase):
    async def test_also_what_left_the_session_silently_is_ended(self):
        run = await self.run_of(self.leaving(f"setsid {{}} {QUIET}", leftovers="end"))

        self.assertEqual(self.note("told"), "told")
        self.assertEqual(run.reason, "finished; 1 process that it left behind was ended")

    async def test_where_there_is_none_the_run_ends_at_once(self):
        self.patch(process, "PATIENCE", EVER)
        for leftovers in ("end", "wait", "keep"):
            run = await self.run_of(self.words("true", name=leftovers, leftovers=leftovers))

            self.assertEqual((run.reason, run.left_behind), ("finished", 0))


class WaitTests(LeftoverCase):
    PARTS = "for i in 1 2 3 4; do echo part$i >> dump; sleep 0.4; done; echo COMPLETE >> dump"

    async def test_the_run_goes_on_until_they_are_gone(self):
        task = self.bash(f"( {self.PARTS} ) {QUIET} & echo started", directory=str(self.folder), leftovers="wait")
        run = await self.run_of(task)

        self.assertEqual((self.folder / "dump").read_text().split()[-1], "COMPLETE")
        self.assertRegex(run.reason, "^finished; .* that it left behind (was|were) waited for$")
        self.assertEqual(run.state, "succeeded")
        self.assertGreaterEqual(run.left_behind, 1)  # the loop, and each sleep that was seen

    async def test_one_that_left_the_session_too(self):
        task = self.bash(
            f"setsid sh -c 'sleep 1.5; echo done > dump' {QUIET} &", directory=str(self.folder), leftovers="wait"
        )
        run = await self.run_of(task)

        self.assertEqual((self.folder / "dump").read_text(), "done\n")
        self.assertEqual(run.state, "succeeded")

    async def test_their_output_is_the_runs(self):
        run = await self.run_of(self.bash("setsid sh -c 'sleep 1.5; echo late' & echo early; exit 3", leftovers="wait"))

        self.assertEqual(self.output(run), b"early\nlate\n")
        self.assertEqual((run.state, run.exit_code), ("failed", 3))

    async def test_the_deadline_ends_them(self):
        run = await self.start(self.leaving(f"setsid {{}} {QUIET}", leftovers="wait"))
        call = self.runner._active[run.id].call
        await self.until(lambda: call._status is not None and call._remaining.known)
        self.be_late(run)
        run = await self.end(run)

        self.assertEqual(self.note("told"), "told")
        self.assertEqual((run.state, run.exit_code, run.left_behind), ("timed_out", 0, 1))
        ended = "its script had ended with exit code 0; 1 process that it left behind was ended"
        self.assertEqual(run.reason, f"ran longer than its 0 s; {ended}")

    async def test_a_caller_ends_them(self):
        run = await self.start(self.bash(f"sleep {EVER} {QUIET} & echo ready", leftovers="wait"))
        await self.printed(run, b"ready")
        self.runner.stop(run.id, ASKED)

        self.assert_outcome(await self.end(run), "cancelled", "cancelled by a caller")


class KeepTests(LeftoverCase):
    async def test_they_go_on_after_a_success(self):
        run = await self.start(self.bash(f"sleep {EVER} {QUIET} & setsid sleep {EVER} {QUIET} &", leftovers="keep"))
        found = await self.end_of_run(run)

        self.assertEqual((found.state, found.left_behind), ("succeeded", 2))
        self.assertEqual(found.reason, "finished; 2 processes that it left behind go on")
        self.assertEqual(self.kill_what_is_kept(run), 2)

    async def test_what_they_print_later_harms_them_not(self):
        loop = "i=0; while :; do i=$((i+1)); echo $i; echo $i > count; sleep 0.01; done"
        begun = "until [ -e count ]; do sleep 0.01; done"
        task = self.bash(f"sh -c '{loop}' & {begun}", directory=str(self.folder), leftovers="keep")
        run = await self.start(task)
        found = await self.end_of_run(run)
        counted = int((self.folder / "count").read_text() or 0)
        await self.until(lambda: int((self.folder / "count").read_text() or 0) > counted + 20)

        self.assertEqual((found.state, found.output_kept), ("succeeded", len(self.output(run))))
        self.assertEqual(len(self.runner._calls._scripts._kept), 1)
        await self.until(lambda: not self.kill_what_is_kept(run))
        await self.until(lambda: not self.runner._calls._scripts._kept)

    async def test_the_end_of_the_daemon_lets_go_of_their_output(self):
        run = await self.start(self.bash(f"setsid sleep {EVER} &", leftovers="keep"))
        await self.end_of_run(run)
        self.assertEqual(len(self.runner._calls._scripts._kept), 1)
        await self.runner.stopService()

        self.assertEqual(len(self.runner._calls._scripts._kept), 0)
        self.assertEqual(self.kill_what_is_kept(run), 1)

    async def test_a_stop_after_a_success_comes_too_late_for_them(self):
        run = await self.start(self.bash(f"sleep {EVER} & echo ready", leftovers="keep"))
        call = self.runner._active[run.id].call
        await self.until(lambda: call._status is not None)
        self.runner.stop(run.id, ASKED)
        found = await self.end_of_run(run)

        self.assertEqual(found.reason, "finished; 1 process that it left behind goes on")
        self.assertEqual(self.kill_what_is_kept(run), 1)

    async def test_they_are_ended_after_a_failure(self):
        run = await self.run_of(self.bash(f"sleep {EVER} {QUIET} & exit 3", leftovers="keep"))

        self.assertEqual(run.reason, "exit code 3; 1 process that it left behind was ended")

    async def test_a_stop_ends_everything(self):
        run = await self.start(self.bash(f"setsid sleep {EVER} {QUIET} & echo ready; sleep {EVER}", leftovers="keep"))
        await self.printed(run, b"ready")
        await self.until(lambda: len(alive(run.id)) == 3)
        await self.runner.stopService()

        self.assert_outcome(await self.stored(run), "cancelled", "shutdown")
        self.assertEqual(alive(run.id), [])
