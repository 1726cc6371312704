"""Tasks inside the daemon that end by SystemExit: in their own words, without a traceback."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

from .ground import RunnerCase


class GivingUpTests(RunnerCase):
    """In a thread and in the reactor."""

    async def outcome_of(self, start, line):
        source = f"import sys\nclass T:\n    {start} __call__(self, info):\n        print('tried')\n        {line}\n"
        self.sections.clear()
        run = await self.run_of(self.python(source))
        self.assertEqual(self.output(run), b"tried\n")
        return run.state, run.reason

    async def test_its_words_are_the_reason(self):
        for start in ("def", "async def"):
            found = await self.outcome_of(start, "raise SystemExit('the disk is full')")
            self.assertEqual(found, ("failed", "the disk is full"))

    async def test_a_number_other_than_0_is_named(self):
        for start in ("def", "async def"):
            self.assertEqual(await self.outcome_of(start, "sys.exit(3)"), ("failed", "SystemExit: 3"))

    async def test_0_is_a_good_end(self):
        for start in ("def", "async def"):
            for line in ("sys.exit()", "sys.exit(0)"):
                self.assertEqual(await self.outcome_of(start, line), ("succeeded", "finished"))
