"""How the end of a child is heard of: by a descriptor of its own, and without one as Twisted does."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import contextlib  # by its whole name: trial takes a `suppress` of a module for its own
import errno
import os
import subprocess
from typing import cast

from twisted.internet import reactor
from twisted.internet.process import reapProcessHandlers

from jobsched.reactor_types import Reactor
from jobsched.runner.exit_watch import AGAIN, ExitWatch

from .ground import RunnerCase, pause


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

    async def test_a_python_without_such_descriptors_does_too(self):
        def missing(pid):
            raise AttributeError("module 'os' has no attribute 'pidfd_open'")

        self.patch(os, "pidfd_open", missing)
        await self.look_at_one(asked_after=1)

    async def test_one_that_cannot_be_waited_for_is_asked_again(self):
        """As under a debugger, which alone may wait for it: the descriptor goes on to say that the child has ended."""
        child = subprocess.Popen(["true"])
        asked = []
        watch = ExitWatch(cast(Reactor, reactor), child.pid, lambda: asked.append(reactor.seconds()))
        begun = reactor.seconds()
        while len(asked) < 3:
            await pause()
        watch.close()
        self.assertGreater(reactor.seconds() - begun, 2 * AGAIN)
        child.wait()

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
        pipe = os.open(self.folder / "go", os.O_RDWR)  # waits for no reader
        self.addCleanup(os.close, pipe)
        os.write(pipe, b"\n")
        self.assert_outcome(await self.end(run), "succeeded")
