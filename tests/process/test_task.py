"""Python tasks as runs: in a process of their own, in a thread, in the reactor."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import gc
import sys
import threading
import weakref
from time import monotonic
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred

from jobsched.runner.deadline import Stop
from tests.present import present

from .ground import EVER, RunnerCase, lives, number_of

ASKED = Stop("cancelled", "cancelled by a caller")


def task(*lines, marked="", before=""):
    """The source of a class `T` whose call does these lines."""
    body = "".join(f"        {line}\n" for line in lines)
    return (
        f"import os, sys, time, threading\nfrom jobsched.watchdog import watchdog\n{before}\n"
        f"class T:\n    go = threading.Event()\n{marked and f'    {marked}' + chr(10)}"
        f"    def __call__(self, info):\n{body}"
    )


class ProcessTaskTests(RunnerCase):
    """`@watchdog`"""

    async def test_it_runs_in_a_process_of_its_own(self):
        run = await self.run_of(self.python(task("print(os.getpid(), os.getsid(0), info.name)", marked="@watchdog()")))

        self.assert_outcome(run, "succeeded")
        self.assertEqual(self.output(run).decode(), f"{run.pid} {run.pid} nightly\n")

    async def test_it_is_killed_at_its_own_number(self):
        begun = monotonic()
        self.runner._limits = attrs.evolve(self.limits, livetime=EVER)
        run = await self.run_of(self.python(task(f"time.sleep({EVER})", marked="@watchdog(0.5)")))

        self.assert_outcome(run, "timed_out", "ran longer than its 0.5 s")
        self.assertGreaterEqual(monotonic() - begun, 0.5)

    async def test_it_is_told_its_own_number_and_its_last_words_are_kept(self):
        lines = "print('begun ' + str(info.timeout), end='')", f"time.sleep({EVER})"
        run = await self.ended_late(self.python(task(*lines, marked="@watchdog(25.5)")), b"begun 25.5")

        self.assert_outcome(run, "timed_out")
        self.assertEqual(self.output(run), b"begun 25.5")
        self.assertEqual(self.log_lines(run), ["begun 25.5"])

    async def test_it_is_told_the_livetime_when_it_has_no_number(self):
        run = await self.run_of(self.python(task("print(info.timeout)", marked="@watchdog()")))

        self.assertEqual(self.output(run), b"30\n")

    async def test_the_jobs_own_timeout_goes_before_both(self):
        source = task("print(info.timeout)", f"time.sleep({EVER})", marked=f"@watchdog({EVER})")
        run = await self.run_of(self.python(source), timeout=0.7)

        self.assert_outcome(run, "timed_out", "ran longer than its 0.7 s")

    async def test_one_that_ignores_term_is_killed_with_what_it_started(self):
        source = task(
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
            f"child = subprocess.Popen(['sleep', '{EVER}'], start_new_session=True)",
            "print(child.pid)",
            f"time.sleep({EVER})",
            marked="@watchdog()",
            before="import signal, subprocess",
        )
        run = await self.ended_late(self.python(source))

        self.assert_outcome(run, "timed_out", "was killed")
        self.assertFalse(lives(number_of(self.output(run))))

    async def test_an_exception_is_a_failure_that_names_it(self):
        run = await self.run_of(
            self.python(task("print('begun')", "raise ValueError('no luck')", marked="@watchdog()"))
        )

        self.assert_outcome(run, "failed", "exit code 1", "ValueError: no luck")
        text = self.output(run).decode()
        self.assertTrue(text.startswith("begun\nTraceback (most recent call last):\n"), text)
        self.assertTrue(text.endswith("ValueError: no luck\n"), text)

    async def test_it_imports_no_twisted(self):
        run = await self.run_of(self.python(task("print('twisted' in sys.modules)", marked="@watchdog()")))

        self.assertEqual(self.output(run), b"False\n")


class LivetimeTests(RunnerCase):
    limits = attrs.evolve(RunnerCase.limits, livetime=0.5)

    async def test_it_is_killed_at_the_livetime_when_it_has_no_number(self):
        run = await self.run_of(self.python(task(f"time.sleep({EVER})", marked="@watchdog()")))

        self.assert_outcome(run, "timed_out", "ran longer than its 0.5 s")


class ThreadTaskTests(RunnerCase):
    async def test_what_it_prints_is_its_runs_output(self):
        stdout, stderr = cast(Any, sys.stdout), cast(Any, sys.stderr)
        before = stdout._otherwise, stderr._otherwise
        run = await self.run_of(self.python(task("print('ä', 1, end='|')", "print('err', file=sys.stderr)")))

        self.assert_outcome(run, "succeeded", "finished")
        self.assertEqual(self.output(run).decode(), "ä 1|err\n")
        self.assertEqual(self.log_lines(run), ["ä 1|err"])
        await self.runner.stopService()
        self.assertEqual((sys.stdout, sys.stderr), before)

    async def test_an_exception_is_a_failure_with_its_traceback(self):
        run = await self.run_of(self.python(task("raise ValueError('no luck')")))

        self.assert_outcome(run, "failed", "ValueError: no luck")
        self.assertIn("in __call__", self.output(run).decode())
        self.assertNotIn("threads.py", self.output(run).decode())

    async def test_an_exception_that_no_database_takes_can_be_recorded(self):
        """Its words hold half a character, a zero and a novel; the runs after it must not suffer."""
        for number, lines in enumerate(
            ["open('/nowhere/\\udcff')", "raise ValueError('a\\0b')", "raise ValueError('x' * 99999)"]
        ):
            run = await self.run_of(self.python(task(lines), name=f"odd{number}"))

            self.assert_outcome(run, "failed", "Error: ")
            self.assertTrue(run.reason.isprintable(), run.reason)
            self.assertLess(len(run.reason), 2000)

    async def test_sys_exit_is_an_end_as_in_a_process(self):
        for number, (code, state) in enumerate(
            [("", "succeeded"), ("0", "succeeded"), ("3", "failed"), ("'no'", "failed")]
        ):
            run = await self.run_of(self.python(task(f"sys.exit({code})"), name=f"exit{number}"))
            self.assertEqual(run.state, state, code)

    async def test_threads_that_print_at_once_do_not_mix(self):
        source = task(
            "gate.wait()",
            "for n in range(300): print(info.run_id, n)",
            before="gate = threading.Barrier(3)",
        )
        runs = [await self.store_run(self.python(source))]
        runs += [await self.store_run("python") for _ in range(2)]
        self.runner.start(runs)
        for run in runs:
            self.assert_outcome(await self.end(run), "succeeded")
            self.assertEqual(self.output(run).decode().splitlines(), [f"{run.id} {n}" for n in range(300)])

    async def test_what_nobody_prints_in_a_run_goes_where_it_went(self):
        run = await self.start(self.python(task("self.go.wait()", "print('mine')")))
        elsewhere: list[str] = []
        self.patch(sys.stdout, "_otherwise", Somewhere(elsewhere))
        print("not of a run")
        other = threading.Thread(target=print, args=("nor this",))
        other.start()
        other.join()
        present(self.catalog_holder.get("python")).call.go.set()
        await self.end(run)

        self.assertEqual(self.output(run), b"mine\n")
        self.assertEqual("".join(elsewhere), "not of a run\nnor this\n")

    async def test_one_past_its_deadline_is_stopping_until_it_returns(self):
        run = await self.start(self.python(task("print('begun')", "self.go.wait()", "print('done')")))
        await self.printed(run, b"begun")  # or it would be over, unbegun
        self.be_late(run)
        stopping = await self.when_stored(run, lambda stored: stored.state != "running")

        self.assertEqual(stopping.state, "stopping")
        self.assertIn("ran longer than its 0 s; a task in a thread cannot be killed", stopping.reason)
        present(self.catalog_holder.get("python")).call.go.set()
        self.assert_outcome(await self.end(run), "timed_out", "ran longer than its 0 s")
        self.assertEqual(self.output(run), b"begun\ndone\n")

    async def test_the_livetime_is_no_deadline_for_a_thread(self):
        self.runner._limits = attrs.evolve(self.limits, livetime=0.01)
        run = await self.run_of(self.python(task("time.sleep(0.2)")))

        self.assert_outcome(run, "succeeded")

    async def test_one_that_waits_for_a_thread_can_be_cancelled_unbegun(self):
        source = task("print('begun')", "self.go.wait()")
        first = [await self.store_run(self.python(source))]
        first += [await self.store_run("python") for _ in range(self.limits.threads - 1)]
        self.runner.start(first)
        for run in first:
            await self.printed(run, b"begun")
        waits = await self.start("python")
        self.runner.stop(waits.id, ASKED)

        self.assert_outcome(await self.end(waits), "cancelled", "by a caller")
        present(self.catalog_holder.get("python")).call.go.set()
        for run in first:
            self.assert_outcome(await self.end(run), "succeeded")
        self.assertEqual(self.output(waits), b"")

    async def test_one_that_prints_faster_than_the_log_has_to_wait(self):
        self.lines.gate.clear()
        run = await self.start(self.python(task("for _ in range(3000): print('x' * 999)", "self.go.set()")))
        await self.until(self.lines.entered.is_set)
        output = self.runner._active[run.id].call._output
        await self.until(lambda: (room := output._room) is not None and not room.is_set())

        self.assertFalse(present(self.catalog_holder.get("python")).call.go.is_set())
        self.lines.gate.set()
        self.assert_outcome(await self.end(run), "succeeded")
        self.assertEqual(self.output(run), (b"x" * 999 + b"\n") * 3000)


class CircleTests(RunnerCase):
    """Python looks for circles seldom: all that a run has would stay in memory until then, be it a thousand runs."""

    async def assert_it_goes(self, go):
        """Of the run that is there now, once `go` has let it end."""
        await self.until(self.is_noted)
        run, parts = self.watched()
        self.addCleanup(gc.enable)
        gc.disable()
        go()
        self.assert_outcome(await self.end(run), "succeeded")
        await self.until(lambda: not any(part() for part in parts))

    def is_noted(self):
        """Whether the run has lasted so long that it is told of."""
        (active,) = self.runner._active.values()
        return active.noting is None or not active.noting.active()

    def watched(self):
        """The run, and what holds all that it has."""
        (active,) = self.runner._active.values()
        return active.run, [weakref.ref(each) for each in (active.call, active.call.deadline)]

    async def test_a_run_in_a_thread_leaves_none(self):
        run = await self.start(self.python(task("print('begun')", "self.go.wait()")))
        await self.printed(run, b"begun")
        await self.assert_it_goes(present(self.catalog_holder.get("python")).call.go.set)

    async def test_a_run_in_the_reactor_leaves_none(self):
        run = await self.start(self.python(coroutine("print('begun')", "await self.go")))
        await self.printed(run, b"begun")
        await self.assert_it_goes(lambda: present(self.catalog_holder.get("python")).call.go.callback(None))

    async def test_a_script_leaves_none(self):
        waits = self.output_folder.parent / "go"
        run = await self.start(self.bash(f"echo begun; until [ -e {waits} ]; do sleep 0.01; done"))
        await self.printed(run, b"begun")
        await self.assert_it_goes(waits.touch)


class Somewhere:
    """A stdout that keeps what it is given."""

    def __init__(self, written):
        self.write = written.append

    def flush(self):
        """Nothing is held back."""


ASYNC = """
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

class T:
    def __init__(self):
        self.go = Deferred()
        self.cancelled = 0

    async def __call__(self, info):
"""


def coroutine(*lines):
    """The source of a class `T` whose call is these lines, in a coroutine."""
    return ASYNC + "".join(f"        {line}\n" for line in lines)


class AsyncTaskTests(RunnerCase):
    async def test_it_runs_in_the_reactor_and_prints_into_its_run(self):
        source = "import threading\n" + coroutine(
            "print('before')",
            "await deferLater(reactor, 0.01)",
            "print('after', threading.current_thread() is threading.main_thread())",
        )
        run = await self.run_of(self.python(source))

        self.assert_outcome(run, "succeeded", "finished")
        self.assertEqual(self.output(run), b"before\nafter True\n")

    async def test_two_that_take_turns_do_not_mix(self):
        source = coroutine("for n in range(20):", "    print(info.run_id, n)", "    await deferLater(reactor, 0)")
        runs = [await self.store_run(self.python(source)), await self.store_run("python")]
        self.runner.start(runs)
        for run in runs:
            self.assert_outcome(await self.end(run), "succeeded")
            self.assertEqual(self.output(run).decode().splitlines(), [f"{run.id} {n}" for n in range(20)])

    async def test_it_is_cancelled_at_its_deadline(self):
        source = coroutine("try:", "    await Deferred()", "finally:", "    print('cleaned up')")
        run = await self.run_of(self.python(source), timeout=0.2)

        self.assert_outcome(run, "timed_out", "ran longer than its 0.2 s")
        self.assertEqual(self.output(run), b"cleaned up\n")

    async def test_one_that_printed_nothing_is_recorded_as_cancelled(self):
        run = await self.run_of(self.python(coroutine("await Deferred()")), timeout=0.2)

        self.assert_outcome(run, "timed_out", "ran longer than its 0.2 s")

    async def test_an_exception_is_a_failure_with_its_traceback(self):
        source = coroutine("await deferLater(reactor, 0)", "raise ValueError('no luck')")
        run = await self.run_of(self.python(source))

        self.assert_outcome(run, "failed", "ValueError: no luck")
        self.assertIn(b"Traceback", self.output(run))

    async def test_one_that_never_awaits_is_recorded(self):
        run = await self.run_of(self.python(coroutine("print('quick')")))

        self.assert_outcome(run, "succeeded")
        self.assertEqual(self.output(run), b"quick\n")

    async def test_one_that_goes_on_after_its_cancel_is_stopping(self):
        source = coroutine(
            "try:", "    await Deferred()", "except CancelledError:", "    await self.go", "    print('done')"
        )
        run = await self.start(self.python(source), timeout=0.2)
        await self.when_stored(run, lambda stored: stored.state == "stopping")
        present(self.catalog_holder.get("python")).call.go.callback(None)

        self.assert_outcome(await self.end(run), "timed_out")
        self.assertEqual(self.output(run), b"done\n")

    async def test_what_is_printed_after_the_end_harms_nobody(self):
        source = coroutine("self.late = Deferred.fromCoroutine(self.later())", "print('main')") + (
            "\n    async def later(self):\n        await self.go\n        print('late ' * 100)\n"
        )
        run = await self.run_of(self.python(source))
        present(self.catalog_holder.get("python")).call.go.callback(None)
        others = [await self.run_of(self.words("echo", "clean", name=f"clean{n}")) for n in range(3)]

        self.assertEqual(self.output(run), b"main\n")
        self.assertEqual([self.output(other) for other in others], [b"clean\n"] * 3)


DEFERRED = """
from twisted.internet.defer import Deferred

class T:
    kind = "async"

    def __call__(self, info):
        print("begun")
        self.answer = Deferred(lambda given_up: print("given up"))
        return self.answer
"""


class DeferredTaskTests(RunnerCase):
    async def begin(self, **fields):
        run = await self.start(self.python(DEFERRED), **fields)
        await self.printed(run, b"begun")
        answer = present(self.catalog_holder.get("python")).call.answer
        self.assertIsInstance(answer, Deferred)
        return run, answer

    async def test_it_ends_when_its_deferred_fires(self):
        run, answer = await self.begin()
        self.assertEqual((await self.stored(run)).state, "running")
        answer.callback("whatever")

        self.assert_outcome(await self.end(run), "succeeded")

    async def test_it_fails_with_its_deferred(self):
        run, answer = await self.begin()
        answer.errback(ValueError("no luck"))

        self.assert_outcome(await self.end(run), "failed", "ValueError: no luck")

    async def test_it_is_cancelled_at_its_deadline(self):
        run, _ = await self.begin(timeout=0.2)

        self.assert_outcome(await self.end(run), "timed_out")
        self.assertEqual(self.output(run), b"begun\ngiven up\n")
