"""What runs print: how much of it is kept, and that no disk and no log can hold up the reactor."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import logging
import os
import sys
from typing import cast

import attrs
from twisted.internet import reactor
from twisted.internet.process import Process, ProcessReader
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import LoopingCall

from jobsched.reactor_types import Reactor
from jobsched.runner.output_file import LONGEST_LINE, output_path
from jobsched.runner.pipe import OutputPipe
from jobsched.runner.session import Sessions

from .ground import EVER, RunnerCase

MIB = 1024 * 1024


class OddBytesTests(RunnerCase):
    async def test_a_line_of_many_kib_is_split_in_the_log_alone(self):
        size = 3 * LONGEST_LINE + 17
        run = await self.run_of(self.words(sys.executable, "-c", f"print('x' * {size})"))

        self.assertEqual(list(map(len, self.log_lines(run))), [LONGEST_LINE] * 3 + [17])
        self.assertEqual(self.output(run), b"x" * size + b"\n")

    async def test_bytes_that_are_not_utf8_are_kept_and_logged(self):
        run = await self.run_of(self.bash(r"printf 'a\377\376b\nä\n\0\n'"))

        self.assertEqual(self.output(run), b"a\xff\xfeb\n\xc3\xa4\n\0\n")
        self.assertEqual(self.log_lines(run), ["a\ufffd\ufffdb", "ä", "\0"])

    async def test_every_byte_there_is_arrives(self):
        source = "import os; os.write(1, bytes(range(256)) * 400)"
        run = await self.run_of(self.words(sys.executable, "-c", source))

        self.assertEqual(self.output(run), bytes(range(256)) * 400)


class LimitTests(RunnerCase):
    limits = attrs.evolve(RunnerCase.limits, output=10_000)

    async def test_output_beyond_the_limit_is_cut_and_the_script_goes_on(self):
        much = f"for _ in range(3): sys.stdout.write('123456789\\n' * {MIB // 10})"
        source = f"import sys\n{much}\nopen('done', 'w')\nsys.exit(4)"
        run = await self.run_of(self.words(sys.executable, "-c", source, directory=str(self.folder)))

        self.assertEqual(run.exit_code, 4)
        self.assert_outcome(run, "failed", "exit code 4", "output beyond 10000 bytes is not kept")
        self.assertTrue((self.folder / "done").exists())
        self.assertEqual(self.output(run), b"123456789\n" * 1000)
        self.assertEqual((run.output_kept, run.output_truncated), (10_000, True))
        self.assertEqual(run.output_bytes, 3 * (MIB // 10) * 10)
        self.assertEqual(self.log_lines(run), ["123456789"] * 1000 + ["[output beyond 10000 bytes is not kept]"])

    async def test_output_of_just_the_limit_is_not_cut(self):
        run = await self.run_of(self.words(sys.executable, "-c", "print('x' * 9999)"))

        self.assertEqual((run.output_bytes, run.output_kept, run.output_truncated), (10_000, 10_000, False))
        self.assertEqual(run.reason, "finished")


class BadDiskTests(RunnerCase):
    """The disk fails; the run goes on, and its record says what is missing."""

    async def goes_on(self, *words):
        task = self.bash("for n in $(seq 1000); do echo line $n; done; touch done", directory=str(self.folder))
        run = await self.run_of(task)

        self.assertTrue((self.folder / "done").exists())
        self.assert_outcome(run, "succeeded", "output was cut", *words)
        self.assertEqual(
            (run.output_bytes, run.output_truncated), (sum(len(f"line {n}\n") for n in range(1, 1001)), True)
        )
        return run

    async def test_a_file_in_place_of_the_folder(self):
        self.output_folder.write_text("in the way")
        run = await self.goes_on("Not a directory")
        self.assertEqual(run.output_kept, 0)

    async def test_a_folder_that_takes_no_files(self):
        make = os.open

        def refuse(path, flags, *more, **where):
            if flags & os.O_CREAT:
                raise PermissionError(13, "Permission denied")
            return make(path, flags, *more, **where)

        self.patch(os, "open", refuse)
        await self.goes_on("EACCES Permission denied")

    async def test_what_lies_there_already_is_somebody_elses(self):
        """A script knows its run, and may put something there before it prints: nothing is written to that."""
        other = self.folder / "other"
        other.write_text("as it was\n")
        inner = f"{self.output_folder}/$(echo $JOBSCHED_RUN_ID | tail -c 3)"
        for name, put in (("link", f"ln -s {other}"), ("name", f"ln {other}"), ("fifo", "mkfifo")):
            there = f"{put} {inner}/$JOBSCHED_RUN_ID.log"
            task = self.bash(f"mkdir -p {inner}; {there}; echo printed", name=name)
            run = await self.run_of(task)

            self.assert_outcome(run, "succeeded", "finished; output was cut: EEXIST File exists")
            self.assertEqual((run.output_bytes, run.output_kept), (8, 0))
        self.assertEqual(other.read_text(), "as it was\n")

    async def test_a_folder_that_leads_elsewhere_is_not_entered(self):
        other = self.folder / "other"
        other.mkdir()
        inner = f"{self.output_folder}/$(echo $JOBSCHED_RUN_ID | tail -c 3)"
        run = await self.run_of(self.bash(f"mkdir -p {self.output_folder}; ln -s {other} {inner}; echo printed"))

        self.assert_outcome(run, "succeeded", "finished; output was cut: EPERM is not a folder")
        self.assertEqual(list(other.iterdir()), [])

    async def test_a_disk_that_fills_up_in_the_middle(self):
        write, left = os.write, [100]

        def fill(file, data):
            if not os.path.realpath(f"/proc/self/fd/{file}").endswith(".log"):
                return write(file, data)
            if not left[0]:
                raise OSError(28, "No space left on device")
            some = write(file, data[: left[0]])
            left[0] -= some
            return some

        self.patch(os, "write", fill)
        run = await self.goes_on("ENOSPC No space left on device")

        self.assertEqual((run.output_kept, len(self.output(run))), (100, 100))

    async def test_a_disk_that_complains_at_the_close(self):
        close = os.close

        def complain(file):
            to_output = os.path.realpath(f"/proc/self/fd/{file}").endswith(".log")
            close(file)
            if to_output:
                raise OSError(5, "Input/output error")

        self.patch(os, "close", complain)
        run = await self.run_of(self.words("echo", "hello"))

        self.assert_outcome(run, "succeeded", "output was cut: EIO")


class SlowLogTests(RunnerCase):
    """A log that stands still: the script is paused, the reactor is not."""

    async def beats(self, count=20):
        """The reactor goes on: so many beats of a loop."""
        loop = LoopingCall(lambda: None)
        beats = []
        loop.f = lambda: beats.append(1)
        loop.start(0.005)
        await self.until(lambda: len(beats) >= count)
        loop.stop()

    def paused(self):
        """Whether the reactor reads no run's pipe."""
        return not any(isinstance(reader, ProcessReader) for reader in reactor.getReaders())

    async def test_only_the_script_is_paused_and_nothing_is_lost(self):
        size, count = 1000, 6000
        source = f"for n in range({count}): print(f'{{n:0{size - 1}}}')\nopen('done', 'w')"
        self.lines.gate.clear()
        run = await self.start(self.words(sys.executable, "-c", source, directory=str(self.folder)))
        await self.until(self.lines.entered.is_set)
        await self.until(self.paused)
        await self.beats()

        self.assertTrue(self.paused())
        self.assertFalse((self.folder / "done").exists())
        self.assertEqual((await self.stored(run)).state, "running")
        self.lines.gate.set()
        self.assert_outcome(await self.end(run), "succeeded")
        self.assertEqual(self.log_lines(run), [f"{n:0{size - 1}}" for n in range(count)])
        self.assertEqual(len(self.output(run)), size * count)

    async def test_a_script_may_be_stopped_while_its_log_stands_still(self):
        self.lines.gate.clear()
        run = await self.start(self.bash("yes"))
        await self.until(self.lines.entered.is_set)
        self.be_late(run)
        call = self.runner._active[run.id].call
        await self.until(lambda: call.ended.called)
        self.lines.gate.set()

        self.assert_outcome(await self.end(run), "timed_out")
        self.assertEqual(self.output(run).replace(b"y\n", b""), b"")

    async def test_a_script_may_end_while_its_pipe_is_paused(self):
        """What it had written by then is in the pipe, and is kept."""
        self.lines.gate.clear()
        count = 1060  # KiB: a little more than one run may have under way, and the rest fits into the pipe
        source = f"import os\nfor _ in range({count}): os.write(1, b'y' * 1023 + b'\\n')"
        run = await self.start(self.words(sys.executable, "-c", source))
        await self.until(self.lines.entered.is_set)
        call = self.runner._active[run.id].call
        await self.until(lambda: call.ended.called)
        self.lines.gate.set()

        self.assert_outcome(await self.end(run), "succeeded")
        self.assertEqual(len(self.output(run)), count * 1024)
        self.assertEqual(self.log_lines(run), ["y" * 1023] * count)

    async def test_a_log_that_raises_costs_no_output(self):
        class Broken(logging.Handler):
            def handle(self, record):
                raise RuntimeError("the log is broken")

        broken = Broken()
        logging.getLogger("jobsched.output").addHandler(broken)
        self.addCleanup(logging.getLogger("jobsched.output").removeHandler, broken)
        size = 5 * MIB
        run = await self.run_of(self.words(sys.executable, "-c", f"print('x' * {size})"))

        self.assert_outcome(run, "succeeded")
        self.assertEqual(len(self.output(run)), size + 1)


class PipeTests(RunnerCase):
    async def test_a_script_may_close_its_output_and_go_on(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        run = await self.start(
            self.bash("echo first; exec >&- 2>&-; read -r < fifo; exit 5", directory=str(self.folder))
        )
        await self.until(lambda: self.log_lines(run) == ["first"])
        await self.until(lambda: not self.runner._active[run.id].call.pipe.connected)

        self.assertEqual((await self.stored(run)).state, "running")
        fifo.write_text("go\n")
        found = await self.end(run)
        self.assertEqual(found.exit_code, 5)

    async def test_a_script_that_closed_its_output_still_has_a_deadline(self):
        run = await self.run_of(self.bash(f"exec >&- 2>&-; sleep {EVER}"), timeout=0.3)

        self.assert_outcome(run, "timed_out")

    async def test_what_has_ended_reads_from_nobody_elses_descriptor(self):
        """The number of a closed pipe is given to the next file that is opened: a store, another run's pipe."""

        class Nowhere:
            full = False
            got = b""

            def write(self, data):
                self.got += data

        kept = Nowhere()
        pipe = OutputPipe(kept)  # type: ignore[arg-type]  # a fake
        protocol = ProcessProtocol()
        protocol.outReceived = pipe.received  # type: ignore[method-assign]  # as a run's protocol hands it on
        with open(os.devnull) as nothing:
            process = Sessions(cast(Reactor, reactor)).spawnProcess(
                protocol, "/bin/true", ["true"], {}, childFDs={0: nothing.fileno(), 1: "r"}
            )
        assert isinstance(process, Process)
        pipe.begin(process)
        number = process.pipes[1].fileno()
        await self.until(lambda: not pipe.connected)
        end, other = os.pipe()
        os.dup2(end, number)
        os.set_blocking(number, False)
        os.write(other, b"for another")
        pipe.finish()

        self.assertEqual((kept.got, os.read(number, 100)), (b"", b"for another"))
        for file in {end, other, number}:
            os.close(file)

    async def test_no_descriptor_is_left_open(self):
        task = self.words("echo", "x")
        await self.run_of(task)
        before = self.descriptors()
        runs = [await self.start(task) for _ in range(30)]
        for run in runs:
            await self.end(run)
        missing = self.words("/nowhere", name="missing")
        await self.run_of(missing)

        self.assertEqual(self.descriptors(), before)

    def descriptors(self):
        """How many are open, but for the store's."""
        files = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
        return len([file for file in files if "store.sqlite" not in file])

    async def test_runs_at_once_do_not_mix_their_output(self):
        task = self.bash('for n in $(seq 200); do echo "$JOBSCHED_RUN_ID $n"; done')
        runs = [await self.store_run(task) for _ in range(12)]
        self.runner.start(runs)
        for run in runs:
            self.assert_outcome(await self.end(run), "succeeded")
            self.assertEqual(self.output(run).decode().splitlines(), [f"{run.id} {n}" for n in range(1, 201)])


class PrivacyTests(RunnerCase):
    async def test_only_the_daemons_user_may_read_what_was_printed(self):
        run = await self.run_of(self.words("echo", "secret"))
        path = output_path(self.output_folder, run.id)

        self.assertEqual((path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777), (0o600, 0o700))
