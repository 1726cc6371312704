"""The ground that process tests stand on: a Runner with a store of its own, real children, and looks at them."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import json
import logging
import os
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import attrs
import psutil
from twisted.internet import reactor
from twisted.internet.process import Process
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from jobsched.clock import WallClock
from jobsched.config import catalog
from jobsched.events import Events
from jobsched.model.ids import Ids
from jobsched.model.run import Run
from jobsched.reactor_types import Reactor
from jobsched.runner.calls import Limits
from jobsched.runner.output_file import output_path
from jobsched.runner.runner import Runner
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.schema import migrate
from jobsched.store.sql.store import Store
from jobsched.twisted_private import SPAWN

NODE = "this-start-of-this-node"
EVER = 1000  # seconds that nothing here lasts: what sleeps so long was killed, or the test fails

TASKS = '''
import json
from jobsched.task import Command

class Words:
    """Runs what its options say."""

    def __init__(self, argv, directory=None, env="{}"):
        self.told = json.loads(argv), json.loads(env), directory

    def command(self, info):
        return Command(*self.told)
'''


def alive(run_id):
    """The processes that carry the mark of a run and are not dead."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get("JOBSCHED_RUN_ID") == run_id and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def leads(pid):
    """Whether it is a process that leads a group; one that has just ended does not."""
    with suppress(ProcessLookupError):
        return os.getpgid(pid) == pid
    return False


def pause(seconds=0.01):
    """Let the reactor go on for a moment."""
    return deferLater(reactor, seconds)


class Lines(logging.Handler):
    """Keeps what came by; while `gate` is shut, whoever logs has to wait."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.lines = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def emit(self, record):
        self.entered.set()
        self.gate.wait()
        self.lines.append(record.getMessage())

    def handle(self, record):  # without the lock of the base class: a test looks while we wait
        self.emit(record)


class RunnerCase(TestCase):
    """Each test has a Runner, a store and a folder of tasks; at its end no process of its runs is alive."""

    timeout = 60  # only a failure waits so long
    limits = Limits(livetime=30, grace=0.4, max_running=64, threads=4, output=64 * 1024 * 1024)

    def setUp(self):
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.output_folder = self.folder / "output"
        self.started = []
        self.addCleanup(self.look_for_the_living)  # runs last
        (self.folder / "words.py").write_text(TASKS)
        self.sections = []
        self.catalog_holder = catalog.Catalog({})
        self.ids = Ids()
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        url = f"sqlite:///{self.folder / 'store.sqlite'}"
        migrate(url)
        self.store = Store(cast(Reactor, reactor), url)
        self.store.startService()
        self.addCleanup(self.store.stopService)
        self.lines = self.listen()
        self.recorded = 0
        self.runner = self.new_runner()
        self.runner.startService()
        self.addCleanup(self.stop_runner)

    def new_runner(self):
        events = Events()
        events.slots_freed.subscribe(self.count_recorded)
        catalog_in_force = lambda: self.catalog_holder  # noqa: E731
        return Runner(
            cast(Reactor, reactor),
            WallClock(reactor),
            self.store,
            self.ids,
            catalog_in_force,
            self.output_folder,
            self.limits,
            events=events,
        )

    def count_recorded(self, again):
        self.recorded += 1

    def stop_runner(self):
        self.lines.gate.set()
        return self.runner.stopService() if self.runner.running else None

    def listen(self):
        """What the logger `jobsched.output` is given."""
        log, lines = logging.getLogger("jobsched.output"), Lines()
        before, quiet = (log.level, log.propagate), logging.NullHandler()
        log.addHandler(lines)
        log.setLevel(logging.INFO)
        log.propagate = False
        logging.getLogger("jobsched").addHandler(quiet)
        self.addCleanup(logging.getLogger("jobsched").removeHandler, quiet)
        self.addCleanup(log.removeHandler, lines)
        self.addCleanup(log.setLevel, before[0])
        self.addCleanup(setattr, log, "propagate", before[1])
        return lines

    def look_for_the_living(self):
        """Whatever a test asserted: nothing of it may live on, and nothing may disturb the next test."""
        living = [process for run_id in self.started for process in alive(run_id)]
        described = [f"{process.pid} {process.cmdline()}" for process in living]
        for process in living:
            process.kill()
        self.assertEqual(described, [])

    # --- tasks ---

    def script(self, text, shebang="#!/bin/bash", mode=0o755, name="script"):
        """A script file; its path."""
        path = self.folder / name
        path.write_text(f"{shebang}\n{text}\n")
        path.chmod(mode)
        return str(path)

    def add(self, name, file, class_name, options):
        """A section of the catalog, which is then read again."""
        text = "".join(f"{option} = {value}\n" for option, value in options.items())
        self.sections.append(f"[{name}]\nfile = {file}\nclass = {class_name}\n{text}\n")
        (self.folder / "catalog.cfg").write_text("".join(self.sections))
        self.catalog_holder = catalog.load(self.folder / "catalog.cfg", self.folder)
        return name

    def words(self, *argv, name="words", **options):
        """A task that runs a command line."""
        told = {"argv": json.dumps(argv), **options}
        return self.add(name, "words.py", "Words", told)

    def bash(self, text, name="bash", **options):
        """A task that runs a script of these lines."""
        return self.words(self.script(text, name=f"{name}.sh"), name=name, **options)

    def python(self, source, name="python", **options):
        """A task of the class `T` in that source; its instance is `self.catalog_holder.get(name).call`."""
        (self.folder / f"{name}.py").write_text(source)
        return self.add(name, f"{name}.py", "T", options)

    # --- runs ---

    async def store_run(self, task, **fields):
        """A run as the scheduler's claim would have left it."""
        self.now += timedelta(seconds=1)
        now = datetime.now(UTC)
        run = Run(id=self.ids.make(now), job_id="the-job", job_name="nightly", task=task, due=self.now,
                  created=now, state="running", node="here", node_id=NODE, started=now)  # fmt: skip
        run = attrs.evolve(run, **fields)
        self.started.append(run.id)
        await self.store.write(run_rows.insert_all, [run])
        return run

    async def start(self, task, **fields):
        """Start a run."""
        run = await self.store_run(task, **fields)
        self.runner.start([run])
        return run

    async def stored(self, run):
        """The run as the store has it now."""
        return await self.store.read(run_rows.get, run.id)

    async def end(self, run):
        """Wait until the run has its outcome; by then none of its processes may live."""
        found = await self.when_stored(run, lambda stored: not stored.active)
        self.assertEqual([process.cmdline() for process in alive(run.id)], [])
        return found

    async def run_of(self, task, **fields):
        """Start a run and wait for its outcome."""
        return await self.end(await self.start(task, **fields))

    async def ended_late(self, task, shown=b"\n", **fields):
        """The outcome of a run whose time is over once it has printed that, however long it took to begin."""
        run = await self.start(task, **fields)
        await self.printed(run, shown)
        self.be_late(run)
        return await self.end(run)

    def be_late(self, run):
        """The time of that run is over now."""
        self.runner._active[run.id].call.deadline.arm(0)

    async def when_stored(self, run, condition):
        """Wait until the store holds such a run."""
        while True:
            found = await self.stored(run)
            if condition(found):
                return found
            await pause(0.02)

    def output(self, run):
        """What the run printed, as far as it is in its file."""
        path = output_path(self.output_folder, run.id)
        return path.read_bytes() if path.exists() else b""

    def log_lines(self, run):
        """What was logged of the run, without the title that each line must have."""
        title = f"nightly {run.id} | "
        return [line.removeprefix(title) for line in self.lines.lines if line.startswith(title)]

    async def until(self, condition):
        """Wait for a condition; trial's own timeout ends a wait in vain."""
        while not condition():
            await pause()

    async def printed(self, run, data):
        """Wait until the run has printed that."""
        await self.until(lambda: data in self.output(run))

    def assert_outcome(self, run, state, *words):
        """The state, and words that the reason must hold."""
        self.assertEqual(run.state, state, run.reason)
        for word in words:
            self.assertIn(word, run.reason)
        self.assertIsNotNone(run.ended)


def later_twisted(case):
    """For that test, a Twisted whose `Process` starts programs by a method of another name."""

    def start(process, path, uid, gid, executable, args, environment, fdmap):
        actions = [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in fdmap.items()]
        process.pid = os.posix_spawnp(executable, args, environment, file_actions=actions)
        process.status = -1

    case.patch(Process, "_fork", start)
    for kind in Process.__mro__[:2]:
        case.patch(kind, SPAWN.name, None)
        delattr(kind, SPAWN.name)


def number_of(text):
    """The process id that a script printed."""
    return int(text.split()[-1])


def lives(pid):
    """Whether that process is there and not dead."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def own_environment(**more):
    """The environment for a process that a test starts by itself."""
    return {**os.environ, **more}
