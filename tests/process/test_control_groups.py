"""A run in a control group of its own, on the kernel's own tree; and what is reached without one."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

from unittest import SkipTest
from uuid import uuid4

from jobsched.runner import control_group, group_tree
from jobsched.runner.control_group import ControlGroups
from jobsched.runner.deadline import Stop
from jobsched.runner.group_tree import tree_here

from .ground import EVER, RunnerCase, lives, number_of, pause

ASKED = Stop("cancelled", "cancelled by a caller")
ESCAPED = f"env -i /usr/bin/setsid /bin/sh -c 'echo $$; exec sleep {EVER}'"  # neither session, group nor mark
SPINS = "python3 -c 'import time\nwhile time.process_time() < 0.3: pass'"


class GroupTests(RunnerCase):
    def setUp(self):
        self.tree = tree_here()
        if self.tree is None:
            raise SkipTest("no tree of control groups (cgroup v2) may be written here")
        self.patch(control_group, "SLOW", EVER)  # others may keep the machine busy
        self.patch(group_tree, "FOLDER", f"jobsched-{uuid4().hex}")  # others may test the same
        super().setUp()
        self.groups = self.tree.folder
        self.addCleanup(self.groups.rmdir)

    def new_runner(self):
        """As an executor has it: a daemon's threads may start processes of their own at any moment."""
        runner = super().new_runner()
        groups = ControlGroups(self.tree)
        groups.begin()
        if not groups.group("it").of_use:
            raise SkipTest("groups of this kernel cannot be killed, or nobody may be moved into them")
        self.patch(runner._calls._scripts._survey, "groups", groups)
        return runner

    async def test_what_escaped_all_else_is_killed_with_its_run(self):
        run = await self.start(self.bash(f"({ESCAPED} &)\nsleep {EVER}"))
        await self.printed(run, b"\n")
        pid = number_of(self.output(run))
        self.assertIn(str(pid), (self.groups / run.id / "cgroup.procs").read_text().split())
        self.runner.stop(run.id, ASKED)

        self.assert_outcome(await self.end(run), "cancelled")
        self.assertFalse(lives(pid))
        while (self.groups / run.id).exists():  # the kernel may keep the dead in there for a moment
            await pause()
            self.runner._calls._scripts._survey.groups.group("next")

    async def test_what_escaped_all_else_was_left_behind(self):
        run = await self.run_of(self.bash(f"({ESCAPED} & )\nsleep 0.2", leftovers="end"))

        self.assert_outcome(run, "succeeded", "1 process that it left behind was ended")
        self.assertFalse(lives(number_of(self.output(run))))

    async def test_a_run_is_charged_with_all_that_it_started(self):
        run = await self.run_of(self.bash(f"({SPINS} &)", leftovers="wait"))

        self.assertGreater(run.cpu_seconds, 0.3)


class NoGroupTests(RunnerCase):
    """As a daemon has it."""

    async def test_what_escaped_is_ended_by_the_links_to_its_parents(self):
        run = await self.start(self.bash(f"{ESCAPED} &\nsleep {EVER}"))
        await self.printed(run, b"\n")
        pid = number_of(self.output(run))
        self.runner.stop(run.id, ASKED)

        self.assert_outcome(await self.end(run), "cancelled")
        self.assertFalse(lives(pid))
