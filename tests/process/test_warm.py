"""Fork servers, asked by hand: how many there are, for how long, and what becomes of a fork that is killed at once."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import json
import os
import signal
from pathlib import Path
from typing import cast

import attrs
import psutil
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from jobsched.reactor_types import Reactor
from jobsched.runner import child, warm
from jobsched.runner.session import Sessions
from jobsched.runner.warm import ForkServers, Loaded

from .ground import pause

TASK = """
import sys, time
from jobsched.watchdog import watchdog

if "hangs" in sys.argv[-1] and "fork_server" in sys.argv[0]:
    time.sleep(1000)

class Task:
    @watchdog()
    def __call__(self, info):
        print("warm" if "fork_server" in open("/proc/self/cmdline").read() else "cold")
"""
INFO = {"job_id": "j", "timeout": 9, "run_id": "r", "name": "it", "due": "2026-03-01T12:00:00+00:00", "parameters": {}}
ROOT = str(Path(__file__).parents[2])


class Printed(ProcessProtocol):
    """What a process printed, when it has ended."""

    def __init__(self):
        self.text = b""
        self.ended: Deferred[str] = Deferred()

    def outReceived(self, data):
        self.text += data

    def processEnded(self, reason):
        self.ended.callback(self.text.decode().strip())


class ForkServerTests(TestCase):
    timeout = 60  # only a failure waits so long

    def setUp(self):
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.patch(warm, "SLOW", 20)  # a fork may take its time where others keep the machine busy
        self.clock = Clock()
        self.servers = ForkServers(self.clock, Sessions(cast("Reactor", reactor)))
        self.servers.start()
        self.addCleanup(self.end)
        self.stdin = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, self.stdin)

    async def end(self):
        self.servers.stop()
        while self.children():
            await pause()

    def children(self):
        """Those that serve, and those that nobody has waited for."""
        return psutil.Process().children()

    def served(self):
        """The names of the files that have a server."""
        return sorted(Path(each.cmdline()[-1]).stem for each in self.children() if each.status() != "zombie")

    def printed(self, name, born=lambda _pid: None, more=0):
        """Fires with what a run of a task in the file of that name printed."""
        file = self.folder / f"{name}.py"
        if not file.exists():
            file.write_text(TASK)
        told = {"file": str(file), "class": "Task", "options": {}, "info": INFO}
        env = {"JOBSCHED_RUN_ID": "r", "PYTHONPATH": ROOT, child.VARIABLE: json.dumps(told)}
        env |= {f"JOBSCHED_{number}": "x" * 100_000 for number in range(more)}
        sessions = attrs.evolve(self.servers.sessions(Loaded(str(file), "load"), env), born=born)
        printed, words = Printed(), child.argv()
        sessions.spawnProcess(printed, words[0], words, env, childFDs={0: self.stdin, 1: "r"})
        return printed.ended

    async def serve(self, name):
        """Have the file of that name loaded."""
        while await self.printed(name) != "warm":
            await pause()

    async def test_one_that_is_killed_before_it_is_told_starts_cold(self):
        await self.serve("it")

        quickly = self.patch(warm, "SLOW", 1)
        for number in (signal.SIGKILL, signal.SIGSTOP):  # the second one reads no more than a socket holds
            self.assertEqual(await self.printed("it", lambda pid: os.kill(pid, number), 10), "cold")  # noqa: B023
        quickly.restore()
        self.assertEqual(await self.printed("it", more=10), "warm", "the server is as good as ever")
        while len(self.children()) > 1:
            self.servers.sessions(Loaded(str(self.folder / "it.py"), "load"), {})
            await pause()

    async def test_files_take_turns_only_after_a_rest(self):
        names = [f"it{number}" for number in range(warm.MOST)]
        for name in names:
            await self.serve(name)

        self.assertEqual([await self.printed("more") for _ in range(2)], ["cold", "cold"])
        self.assertEqual(self.served(), names)
        self.clock.advance(warm.REST + 1)
        for name in names[1:]:
            self.assertEqual(await self.printed(name), "warm")
        await self.serve("more")
        while self.served() != [*names[1:], "more"]:  # one that was killed is there for a moment
            await pause()

    async def test_one_that_hangs_is_given_up(self):
        self.assertEqual(await self.printed("hangs"), "cold")
        self.assertEqual(self.served(), ["hangs"])
        for _ in range(int(warm.LOADING / warm.EVERY) + 2):
            self.clock.advance(warm.EVERY)
            self.assertEqual(await self.printed("hangs"), "cold")
        while self.children():
            await pause()
        self.assertEqual(await self.printed("hangs"), "cold")
        self.assertEqual(self.served(), [], "and not tried again")

    async def test_one_that_could_not_be_started_is_tried_again(self):
        spawn = Sessions.spawnProcess

        def full(sessions, protocol, *args, **more):
            if isinstance(protocol, warm.ForkServer):
                raise OSError("no process can be had")
            return spawn(sessions, protocol, *args, **more)

        self.patch(Sessions, "spawnProcess", full)
        self.assertEqual([await self.printed("it") for _ in range(2)], ["cold", "cold"])
        self.patch(Sessions, "spawnProcess", spawn)
        self.assertEqual(await self.printed("it"), "cold")
        self.assertEqual(self.served(), [])
        self.clock.advance(warm.EVERY)
        await self.serve("it")
