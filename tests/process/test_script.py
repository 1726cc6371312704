"""A script as a run: how it is started, what it is told, what becomes of its output and its end."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import os
import signal
from unittest import SkipTest

from twisted.internet import reactor
from twisted.internet.process import ProcessReader
from twisted.logger import capturedLogs, formatEvent

from jobsched.runner import launch
from jobsched.runner.deadline import Stop
from jobsched.runner.output_file import output_path
from tests.present import present

from .ground import RunnerCase, later_twisted

APART = """
from jobsched.task import Command
from jobsched.watchdog import watchdog

class T:
    @watchdog()
    def __call__(self, info):
        print(info.parameters)
"""


class StartTests(RunnerCase):
    async def test_it_leads_a_session_and_a_group_of_its_own(self):
        run = await self.run_of(self.bash("cut -d' ' -f1,5,6 /proc/$$/stat"))
        pid, group, session = map(int, self.output(run).split())

        self.assertEqual((pid, group, session), (run.pid, run.pid, run.pid))
        self.assertNotEqual(session, os.getsid(0))

    async def test_it_keeps_its_own_session_in_a_directory_of_its_own(self):
        task = self.bash("cut -d' ' -f1,5,6 /proc/$$/stat; pwd", directory=str(self.folder))
        run = await self.run_of(task)
        pid, group, session, directory = self.output(run).split()

        self.assertEqual((int(pid), int(group), int(session)), (run.pid, run.pid, run.pid))
        self.assertEqual(directory.decode(), str(self.folder))

    async def test_it_is_started_without_a_fork_of_the_daemon(self):
        def fork():
            raise AssertionError("the daemon was forked")

        spawned, spawn = [], os.posix_spawn

        def spy(path, *args, **more):
            spawned.append(os.fsdecode(path))
            return spawn(path, *args, **more)

        self.patch(os, "fork", fork)
        self.patch(os, "posix_spawn", spy)
        here = await self.run_of(self.words("true", name="here"))
        there = await self.run_of(self.words("true", name="there", directory="/"))

        self.assert_outcome(here, "succeeded")
        self.assert_outcome(there, "succeeded")
        self.assertEqual(len(spawned), 2)

    async def test_it_is_told_of_its_run_by_the_environment(self):
        given = {**os.environ, "JOBSCHED_LEFTOVER": "1", "INHERITED": "yes"}
        self.patch(self.runner._calls, "_inherited", launch.inherited(given))
        task = self.words("env", env='{"OWN": "mine"}', parameters="day, dry")
        run = await self.run_of(task, timeout=1_234_567.5, attempt=2, parameters={"day": "mon", "dry": True})
        told = dict(line.split("=", 1) for line in self.output(run).decode().splitlines())

        self.assertEqual(
            {name: value for name, value in told.items() if name.startswith("JOBSCHED_")},
            {
                "JOBSCHED_JOB_ID": "the-job",
                "JOBSCHED_RUN_ID": run.id,
                "JOBSCHED_JOB_NAME": "nightly",
                "JOBSCHED_DUE": run.due.isoformat(),
                "JOBSCHED_ATTEMPT": "2",
                "JOBSCHED_TIMEOUT": "1234567.5",
                "JOBSCHED_PARAM_DAY": "mon",
                "JOBSCHED_PARAM_DRY": "true",
            },
        )
        self.assertEqual((told["OWN"], told["INHERITED"]), ("mine", "yes"))

    async def test_no_shell_reads_its_words(self):
        run = await self.run_of(self.words("printf", "%s\\n", "$HOME `id` 'x' \"y\" ; * ä", "-n", ""))

        self.assertEqual(self.output(run).decode(), "$HOME `id` 'x' \"y\" ; * ä\n-n\n\n")

    async def test_it_finds_no_stdin_and_no_descriptor_of_the_daemon(self):
        run = await self.run_of(self.bash("cat; ls -1 /proc/$$/fd"))

        # bash reads its script through 255
        self.assertEqual(self.output(run).split(), [b"0", b"1", b"2", b"255"])

    async def test_an_equals_sign_in_its_path_is_not_taken_for_a_variable(self):
        (self.folder / "a=b").mkdir()
        script = self.script("echo here: $0", name="a=b/script")
        run = await self.run_of(self.words("a=b/script", directory=str(self.folder)))

        self.assertEqual(self.output(run), b"here: a=b/script\n", script)


class LaterTwistedTests(RunnerCase):
    """A Twisted whose `Process` starts programs by a method of another name: `setsid` is put in front."""

    def setUp(self):
        later_twisted(self)
        with capturedLogs() as logs:
            super().setUp()
        self.logged = [formatEvent(event) for event in logs]

    async def test_scripts_lead_a_session_all_the_same(self):
        run = await self.run_of(self.bash("cut -d' ' -f1,5,6 /proc/$$/stat"))

        self.assert_outcome(run, "succeeded")
        self.assertEqual([int(number) for number in self.output(run).split()], [run.pid] * 3)

    async def test_the_log_says_so(self):
        words = "twisted.internet.process.Process has no _trySpawnInsteadOfFork any more"
        self.assertEqual([line for line in self.logged if line.startswith(words)], self.logged)
        self.assertEqual(len(self.logged), 1)

    async def test_stderr_is_in_order_with_stdout(self):
        run = await self.run_of(self.bash("for n in 1 2 3; do echo out $n; echo err $n >&2; done; exit 7"))

        self.assertEqual((run.state, run.exit_code), ("failed", 7))
        self.assertEqual(self.output(run), b"".join(b"out %d\nerr %d\n" % (n, n) for n in (1, 2, 3)))

    async def test_all_that_they_started_is_ended(self):
        run = await self.run_of(self.bash("sleep 1000 & sleep 1000"), timeout=0.3)

        self.assert_outcome(run, "timed_out")

    async def test_one_that_lacks_a_shebang_is_for_the_shell(self):
        run = await self.run_of(self.words(self.script("echo $0 $1", shebang=""), "a b"))

        self.assertEqual(self.output(run).decode(), f"{self.folder}/script a b\n")


class OutputTests(RunnerCase):
    async def test_stdout_and_stderr_come_in_the_order_they_were_written(self):
        lines = [f"{'err' if number % 3 else 'out'} {number}" for number in range(100)]
        text = "\n".join(f"echo {line}{' >&2' if line.startswith('err') else ''}" for line in lines)
        run = await self.run_of(self.bash(text))

        self.assertEqual(self.output(run).decode().splitlines(), lines)
        self.assertEqual(self.log_lines(run), lines)
        self.assertEqual(
            (run.output_bytes, run.output_kept, run.output_truncated), (len(self.output(run)),) * 2 + (False,)
        )

    async def test_one_reader_of_twisted_serves_both(self):
        os.mkfifo(self.folder / "fifo")
        run = await self.start(self.bash("[ /proc/$$/fd/1 -ef /proc/$$/fd/2 ] && echo one pipe >&2; read -r < fifo",
                                         directory=str(self.folder)))  # fmt: skip
        await self.printed(run, b"one pipe\n")
        call = self.runner._active[run.id].call
        readers = [reader for reader in reactor.getReaders() if isinstance(reader, ProcessReader)]

        self.assertEqual(readers, [*call.transport.pipes.values()])
        self.assertEqual([reader.name for reader in readers], [1])
        (self.folder / "fifo").write_text("go\n")
        await self.end(run)

    async def test_lines_are_logged_while_the_script_runs(self):
        os.mkfifo(self.folder / "fifo")
        run = await self.start(self.bash("echo first; read -r < fifo; echo second", directory=str(self.folder)))
        await self.until(lambda: self.log_lines(run) == ["first"])

        self.assertEqual((await self.stored(run)).state, "running")
        self.runner.stop(run.id, Stop("cancelled", "asked"))
        self.assert_outcome(await self.end(run), "cancelled")

    async def test_a_last_line_without_an_end_is_kept_and_logged(self):
        run = await self.run_of(self.bash("echo a; printf b"))

        self.assertEqual((self.output(run), self.log_lines(run)), (b"a\nb", ["a", "b"]))

    async def test_nothing_printed_makes_no_file(self):
        run = await self.run_of(self.words("true"))

        self.assertFalse(output_path(self.output_folder, run.id).exists())
        self.assertEqual((run.output_bytes, run.output_kept), (0, 0))

    async def test_format_characters_and_braces_are_nothing_special(self):
        run = await self.run_of(self.words("echo", "100%s %(x)d {field} {{"))

        self.assertEqual(self.log_lines(run), ["100%s %(x)d {field} {{"])


class EndTests(RunnerCase):
    async def test_exit_codes_are_recorded(self):
        for code in 0, 1, 2, 77, 255:
            run = await self.run_of(self.bash(f"exit {code}", name=f"exit{code}"))

            self.assertEqual((run.exit_code, run.signal), (code, None))
            self.assert_outcome(run, "failed" if code else "succeeded", f"exit code {code}" if code else "finished")

    async def test_the_last_line_of_a_failed_script_is_in_the_reason(self):
        run = await self.run_of(self.bash("echo start; echo 'no such table' >&2; echo; exit 3"))

        self.assert_outcome(run, "failed", "exit code 3, last line: no such table")

    async def test_a_signal_that_nobody_here_sent_is_a_failure(self):
        run = await self.run_of(self.bash("kill -USR1 $$"))

        self.assertEqual((run.exit_code, run.signal), (None, "SIGUSR1"))
        self.assert_outcome(run, "failed", "ended by SIGUSR1, which nobody here sent")

    async def test_a_signal_without_a_name_is_a_failure_too(self):
        run = await self.run_of(self.bash("kill -40 $$"))

        self.assertEqual((run.exit_code, run.signal), (None, "signal 40"))
        self.assert_outcome(run, "failed", "signal 40")

    async def test_a_last_line_of_odd_bytes_can_be_recorded(self):
        run = await self.run_of(self.bash(r"printf 'a\0b\377\033[0m'; exit 1"))

        self.assert_outcome(run, "failed", "exit code 1")
        self.assertNotIn("\0", run.reason)

    async def test_a_kill_from_outside_is_told_from_ours(self):
        run = await self.start(self.bash("echo ready; sleep 1000"))
        await self.printed(run, b"ready")
        os.killpg((await self.when_stored(run, lambda stored: stored.pid)).pid, signal.SIGKILL)

        self.assert_outcome(await self.end(run), "failed", "SIGKILL, which nobody here sent")


class BusyTests(RunnerCase):
    """A script that somebody is just writing."""

    def setUp(self):
        super().setUp()
        self.skip_where_it_is_started()
        self.tries = 0
        begin = self.runner._calls.begin

        def count(*args):
            self.tries += 1
            return begin(*args)

        self.patch(self.runner._calls, "begin", count)

    def skip_where_it_is_started(self):
        """As Linux 6.11 and 6.12 do."""
        path = self.script("exit", name="probe")
        with open(path, "a"):
            try:
                os.waitpid(os.posix_spawn(path, [path], {}), 0)
            except OSError:
                return
        raise SkipTest("this kernel starts what is being written")

    def writing(self, **options):
        """A task, and its script while it is open to be written."""
        task = self.bash("echo $0; echo x >> $JOBSCHED_PARAM_NOTE", parameters="note", **options)
        return task, open(self.folder / f"{task}.sh", "a")

    async def test_it_is_tried_again_until_it_is_written(self):
        for number, options in enumerate(({}, {"limits": "nice=1"}, {"directory": str(self.folder)})):
            task, file = self.writing(name=f"task{number}", **options)
            note, self.tries = self.folder / f"note{number}", 0
            with file:
                run = await self.start(task, parameters={"note": str(note)})
                await self.until(lambda: self.tries == 2)
            found = await self.end(run)

            self.assert_outcome(found, "succeeded")
            self.assertEqual(self.output(run).splitlines()[-1].decode(), file.name)
            self.assertEqual(note.read_text(), "x\n")  # once

    async def test_for_about_a_second(self):
        for number, options in enumerate(({}, {"limits": "nice=1"})):
            task, file = self.writing(name=f"task{number}", **options)
            with file:
                run = await self.run_of(task)
            self.assert_outcome(run, "failed", "could not start: ", file.name, "Text file busy")
        self.assertEqual(self.tries, 2 * 5)

    async def test_a_stop_ends_the_trying(self):
        task, file = self.writing()
        with file:
            run = await self.start(task)
            self.runner.stop(run.id, Stop("cancelled", "asked"))
            self.assert_outcome(await self.end(run), "cancelled", "asked")

    async def test_what_a_script_says_of_another_is_no_reason_to_retry(self):
        with open(self.script("exit", name="other"), "a") as file:
            run = await self.run_of(self.bash(f"echo once; exec env {file.name}", limits="nice=1"))
            self.assert_outcome(run, "failed", "Text file busy")
        self.assertEqual((self.tries, self.output(run).splitlines()[0]), (1, b"once"))


class CouldNotStartTests(RunnerCase):
    async def fails(self, task, *words):
        """The run fails in words; the next one is well."""
        run = await self.run_of(task)
        self.assert_outcome(run, "failed", *words)
        self.assert_outcome(await self.run_of(self.words("true", name=f"{task}-next")), "succeeded")
        return run

    async def test_a_script_that_is_not_there(self):
        await self.fails(self.words("/nowhere/script.sh"), "could not start", "/nowhere/script.sh", "no such program")

    async def test_a_program_that_is_not_on_the_path(self):
        await self.fails(self.words("no-such-program-here"), "could not start", "no-such-program-here")

    async def test_a_script_that_is_not_executable(self):
        script = self.script("echo never", mode=0o644)
        await self.fails(self.words(script), "could not start", script, "not executable")

    async def test_a_folder_in_place_of_a_script(self):
        await self.fails(self.words(str(self.folder)), "could not start", str(self.folder))

    async def test_a_script_whose_interpreter_is_missing(self):
        script = self.words(self.script("echo never", shebang="#!/nowhere/python"))
        run = await self.fails(script, "could not start: ")
        self.assertIn("the interpreter of its #! line is missing", run.reason)
        self.assertIsNone(run.exit_code)

    async def test_a_script_whose_interpreter_is_looked_for_in_vain(self):
        script = self.words(self.script("echo never", shebang="#!/usr/bin/env no-such-interpreter"))
        run = await self.fails(script, "could not start: ", "no-such-interpreter", "No such file or directory")
        self.assertEqual(run.exit_code, 127)

    async def test_a_script_whose_shebang_ends_with_a_carriage_return(self):
        said = "its #! line ends with a carriage return (CRLF); save it with LF at the ends of its lines"
        for number, shebang in enumerate(("#!/bin/bash\r", "#!/usr/bin/env bash\r", "#! /bin/sh -e\r")):
            script = self.script("echo never\r", shebang=shebang, name=f"script{number}")
            run = await self.run_of(self.words(script, name=f"direct{number}"))
            self.assert_outcome(run, "failed", said)
            run = await self.run_of(self.words(script, name=f"behind{number}", directory="/"))
            self.assert_outcome(run, "failed", said)

    async def test_a_carriage_return_elsewhere_is_not_named(self):
        run = await self.run_of(self.words(self.script("exit 2 # \r")))
        self.assertEqual(run.reason, "exit code 2")

    async def test_a_script_without_a_shebang(self):
        run = await self.run_of(self.words(self.script("echo by the shell", shebang="")))
        self.assert_outcome(run, "succeeded")  # as execvp has it
        self.assertEqual(self.output(run), b"by the shell\n")

    async def test_a_file_that_is_no_program(self):
        path = self.folder / "binary"
        path.write_bytes(b"\x7fELF rubbish\0\0")
        path.chmod(0o755)
        await self.fails(self.words(str(path)), "could not start", "binary: Exec format error")  # no shell is tried

    async def test_a_directory_that_is_not_there(self):
        await self.fails(self.words("true", directory="/nowhere"), "could not start", "/nowhere: no such directory")
        await self.fails(
            self.words("./script", name="relative", directory="/nowhere"),
            "could not start",
            "/nowhere: no such directory",
        )

    async def test_words_longer_than_the_system_takes(self):
        await self.fails(self.words("echo", "x" * 3_000_000), "could not start")

    async def test_an_environment_that_no_process_can_have(self):
        task = self.words("env", parameters="x")
        run = await self.run_of(task, parameters={"x": "a\0b"})
        self.assert_outcome(run, "failed", "could not start: ", "null")

    async def test_parameters_that_the_task_took_once_and_takes_no_more(self):
        """The catalog of now says what its task may be given, as it says its user and its limits."""
        for kind, source in (
            ("process", APART),
            ("thread", APART.replace("@watchdog()", "")),
            ("async", APART.replace("@watchdog()\n    def", "async def")),
            (
                "command",
                APART.replace("__call__", "command").replace("print(info.parameters)", "return Command(['env'])"),
            ),
        ):
            task = self.python(source, name=kind, parameters="day, token")
            self.assertEqual(present(self.catalog_holder.get(task)).kind, kind)
            given = {"day": "mon", "token": "hunter22"}
            self.assert_outcome(await self.run_of(task, parameters=given), "succeeded")

            waits = await self.store_run(task, parameters=given)
            self.sections = [text.replace("day, token", "day") for text in self.sections]
            self.words("true", name=f"{kind}-reload")
            self.runner.start([waits])
            ended = await self.end(waits)
            self.assert_outcome(ended, "failed")
            self.assertEqual(ended.reason, f"could not start: task {task} takes no parameter token any more")
            self.assertNotIn(b"hunter22", self.output(ended))

    async def test_no_descriptor_left(self):
        def pipe():
            raise OSError(24, "Too many open files")

        task = self.words("true")
        self.assert_outcome(await self.run_of(task), "succeeded")
        with_none = self.patch(os, "pipe", pipe)
        self.assert_outcome(await self.run_of(task), "failed", "could not start", "Too many open files")
        with_none.restore()
        self.assert_outcome(await self.run_of(task), "succeeded")

    async def test_a_task_that_left_the_catalog(self):
        await self.fails("gone", "could not start", "gone", "not in the catalog")

    async def test_a_task_whose_command_raises(self):
        task = self.python("class T:\n    def command(self, info):\n        raise ValueError('no day')\n")
        run = await self.fails(task, "could not start: ValueError: no day")
        self.assertIn(b"Traceback", self.output(run))

    async def test_a_task_whose_command_is_none(self):
        task = self.python("class T:\n    def command(self, info):\n        return 'ls'\n")
        await self.fails(task, "could not start", "gave str, not a Command")
