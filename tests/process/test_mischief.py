"""What else scripts do: much at once, very much output, very many of them."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import os
import resource
import sys
from collections import Counter

from jobsched.model.run import Run
from jobsched.runner.output_file import output_path

from .ground import EVER, RunnerCase

MIB = 1024 * 1024


class MuchTests(RunnerCase):
    async def test_a_hundred_mib_are_taken_to_the_limit_in_little_memory(self):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        source = (
            f"import os\nblock = b'z' * 99 + b'\\n'\nblock *= {MIB // 100}\nfor _ in range(100): os.write(1, block)"
        )
        size = 100 * (MIB // 100) * 100
        self.lines.emit = lambda record: None
        run = await self.run_of(self.words(sys.executable, "-c", source))

        self.assert_outcome(run, "succeeded", "is not kept")
        self.assertEqual((run.output_bytes, run.output_kept), (size, self.limits.output))
        self.assertEqual(os.stat(self.path(run)).st_size, self.limits.output)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        self.assertLess(grown, 48 * 1024)  # KiB

    def path(self, run):
        """The output's file."""
        return output_path(self.output_folder, run.id)

    async def test_of_a_thousand_quick_runs_each_has_its_outcome(self):
        task, count, at_once = self.words("true"), 1000, 25
        ended: list[Run] = []
        while len(ended) < count:
            runs = [await self.store_run(task) for _ in range(at_once)]
            self.runner.start(runs)
            ended += [await self.when_stored(run, lambda stored: not stored.active) for run in runs]

        self.assertEqual(Counter((run.state, run.exit_code) for run in ended), {("succeeded", 0): count})
        self.assertEqual(len({run.id for run in ended}), count)
        self.assertEqual(self.runner.active, 0)

    async def test_many_that_must_be_killed_at_once_are(self):
        task = self.bash(f"trap '' TERM; setsid sleep {EVER} & while :; do sleep 0.1; done")
        runs = [await self.store_run(task, timeout=1.0) for _ in range(15)]
        self.runner.start(runs)

        for run in runs:
            self.assert_outcome(await self.end(run), "timed_out")

    async def test_a_million_empty_lines(self):
        self.lines.emit = lambda record: None
        run = await self.run_of(self.words(sys.executable, "-c", "print('\\n' * 300_000)"))

        self.assert_outcome(run, "succeeded")
        self.assertEqual(run.output_kept, 300_001)
