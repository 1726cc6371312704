"""What a run's process used: known to the kernel when it is waited for, and to nobody later."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import os
from resource import RUSAGE_CHILDREN, getrusage

from .ground import RunnerCase

MIB = 1024 * 1024
SPINS = "python3 -c 'import time\nx = bytearray(300 * 2**20)\nwhile time.process_time() < 0.3: pass'"
PLAIN = """
# a task in a thread
class T:
    def __call__(self, info):
        sum(range(10**6))
"""


class UsageTests(RunnerCase):
    async def test_a_process_is_charged_with_what_it_waited_for(self):
        run = await self.run_of(self.bash(f"{SPINS}\nexit 3"))

        self.assertEqual(run.exit_code, 3)
        self.assertGreater(run.cpu_seconds, 0.3)
        self.assertLess(run.cpu_seconds, 10)
        self.assertGreater(run.max_rss, 300 * MIB)
        self.assertLess(run.max_rss, 2048 * MIB)

    async def test_the_next_process_is_charged_for_itself(self):
        await self.run_of(self.bash(SPINS, name="spins"))
        run = await self.run_of(self.bash("sleep 0.1", name="sleeps"))

        self.assertLess(run.cpu_seconds, 0.2)
        self.assertIsNone(run.max_rss, "it is smaller than this process, with whose memory it began")

    async def test_one_that_is_killed_is_charged_too(self):
        run = await self.run_of(self.bash("kill -KILL $$"))

        self.assertEqual(run.signal, "SIGKILL")
        self.assertGreaterEqual(run.cpu_seconds, 0)

    async def test_one_that_ended_before_the_first_look_is_charged(self):
        """As on a busy machine: between the start of a process and the first look at it others have their turn."""
        spawn = os.posix_spawn

        def slow(*args, **more):
            pid = spawn(*args, **more)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            return pid

        self.patch(os, "posix_spawn", slow)
        before = getrusage(RUSAGE_CHILDREN)
        run = await self.run_of(self.bash(SPINS))
        after = getrusage(RUSAGE_CHILDREN)

        self.assertEqual(run.state, "succeeded")
        self.assertGreater(run.cpu_seconds, 0.3)
        self.assertLessEqual(
            run.cpu_seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime + 1e-6
        )

    async def test_what_is_no_process_has_nothing_of_its_own(self):
        run = await self.run_of(self.python(PLAIN))

        self.assertEqual((run.state, run.cpu_seconds, run.max_rss), ("succeeded", None, None))
