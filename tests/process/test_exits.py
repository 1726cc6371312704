"""How the end of a child is heard of: by a descriptor of its own, and without one as Twisted does."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import contextlib  # by its whole name: trial takes a `suppress` of a module for its own
import errno
import os

from twisted.internet.process import reapProcessHandlers

from .ground import RunnerCase


def links():
    """What the descriptors of this process are."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that listed them
            yield os.readlink(f"/proc/self/fd/{name}")


class ExitTests(RunnerCase):
    async def test_twisted_need_not_ask_after_a_child_that_is_watched(self):
        await self.look_at_one(asked_after=0)
        self.assertEqual(reapProcessHandlers, {})

    async def test_without_such_descriptors_twisted_asks(self):
        def missing(pid):
            raise OSError(errno.ENOSYS, "no such call")

        self.patch(os, "pidfd_open", missing)
        await self.look_at_one(asked_after=1)
        self.assertEqual(reapProcessHandlers, {})

    async def test_no_descriptor_stays(self):
        task = self.bash("exit 3")
        for _ in range(3):
            self.assertEqual((await self.run_of(task)).exit_code, 3)
        self.assertEqual([link for link in links() if "pidfd" in link], [])

    async def look_at_one(self, asked_after):
        """A script waits at a pipe, is looked at, and ends."""
        os.mkfifo(self.folder / "go")
        run = await self.start(self.bash("read < go", directory=str(self.folder)))
        stored = await self.when_stored(run, lambda each: each.pid is not None)
        self.assertEqual(list(reapProcessHandlers), [stored.pid] * asked_after)
        self.assertEqual(len([link for link in links() if "pidfd" in link]), 1 - asked_after)
        with open(self.folder / "go", "w") as pipe:
            pipe.write("\n")
        self.assert_outcome(await self.end(run), "succeeded")
