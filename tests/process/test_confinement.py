"""A run as another user and within limits: what it is, what it may take, how it ends, and when it cannot start."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

import contextlib  # by its whole name: trial takes a `suppress` of a module for its own
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import cast
from unittest import SkipTest

import psutil
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from jobsched.reactor_types import Reactor
from jobsched.runner import launch
from jobsched.runner.deadline import Stop
from jobsched.runner.session import Sessions
from tests.present import present

from .ground import RunnerCase, alive, later_twisted, pause

ROOT = Path(__file__).parents[2]
NO_ROOT = None if os.geteuid() == 0 else "only root can start processes of another user"

APART = """
import contextlib  # by its whole name: trial takes a `suppress` of a module for its own
import os
from jobsched.watchdog import watchdog

class T:
    @watchdog()
    def __call__(self, info):
        print(os.getuid(), os.getgid(), os.environ["HOME"], info.parameters, os.nice(0))
"""

HUNGRY = """
from jobsched.watchdog import watchdog

class T:
    @watchdog()
    def __call__(self, info):
        print(len(bytes(2 ** 30)))
"""


class UserCase(RunnerCase):
    skip = NO_ROOT

    def mktemp(self):
        """A path that others may look into: trial keeps its own to itself."""
        folder = Path(tempfile.mkdtemp(prefix="jobsched-"))
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o755)
        return str(folder / "ground")

    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)

    def new_user(self, group):
        """A user made for this test alone, in that group too; its account."""
        name = f"jobsched-{secrets.token_hex(4)}"
        if shutil.which("useradd") is None:
            raise SkipTest("there is no useradd to make a user with")
        made = subprocess.run(
            ["useradd", "--no-create-home", "--home-dir", "/nowhere", "--shell", "/bin/dash", "--groups", group, name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise SkipTest(f"no user can be made here: {made.stderr}")
        self.addCleanup(subprocess.run, ["userdel", name], check=True, capture_output=True)
        return pwd.getpwnam(name)


class UserTests(UserCase):
    async def test_it_is_that_user_in_all_that_tells_of_one(self):
        who = self.new_user("games")
        self.patch(self.runner._calls, "_inherited", {**os.environ, "USER": "root", "LOGNAME": "root", "HOME": "/root"})
        task = self.bash("id -un; id -u; id -gn; id -Gn; echo $HOME $USER $LOGNAME $SHELL", user=who.pw_name)
        run = await self.run_of(task)

        self.assert_outcome(run, "succeeded")
        name, number, group, groups, told = self.output(run).decode().splitlines()
        self.assertEqual((name, number, group), (who.pw_name, str(who.pw_uid), who.pw_name))
        self.assertEqual(sorted(groups.split()), sorted([who.pw_name, "games"]))
        self.assertEqual(told.split(), ["/nowhere", who.pw_name, who.pw_name, "/bin/dash"])

    async def test_it_has_no_right_of_roots_left_and_no_descriptor(self):
        run = await self.run_of(
            self.bash("grep -E '^(Uid|Gid|Groups|Cap.*):' /proc/$$/status; ls /proc/$$/fd", user="nobody")
        )
        said = dict(line.split(":\t") for line in self.output(run).decode().splitlines() if ":" in line)
        nobody = pwd.getpwnam("nobody")
        kinds = {"CapInh", "CapPrm", "CapEff", "CapAmb"}  # the last one, CapBnd, is what sudo may still give

        self.assertEqual({*said["Uid"].split()}, {str(nobody.pw_uid)})
        self.assertEqual({*said["Gid"].split(), *said["Groups"].split()}, {str(nobody.pw_gid)})
        self.assertEqual({int(value, 16) for name, value in said.items() if name in kinds}, {0})
        self.assertEqual(self.output(run).split()[-4:], [b"0", b"1", b"2", b"255"])

    async def test_it_leads_its_session_and_its_own_pid_is_recorded(self):
        run = await self.run_of(self.bash("cut -d' ' -f1,5,6 /proc/$$/stat; umask", user="nobody", limits="nice=1"))
        *ids, umask = self.output(run).split()

        self.assertEqual([int(number) for number in ids], [run.pid] * 3)
        self.assertEqual(umask, b"%04o" % _umask())

    async def test_what_it_makes_is_its_own_and_its_output_is_the_daemons(self):
        open_to_all = self.folder / "open"
        open_to_all.mkdir()
        open_to_all.chmod(0o777)
        run = await self.run_of(self.bash(f"touch {open_to_all}/made; touch {self.folder}/not", user="nobody"))

        self.assertEqual((open_to_all / "made").owner(), "nobody")
        self.assertFalse((self.folder / "not").exists())
        self.assert_outcome(run, "failed", "Permission denied")
        [file] = self.output_folder.rglob("*.log")
        self.assertEqual((file.owner(), file.stat().st_mode & 0o777), ("root", 0o600))

    async def test_its_output_is_open_to_it_by_name(self):
        """`/dev/stdout` is the pipe opened once more, which the owner of the pipe alone may do."""
        run = await self.run_of(
            self.bash("echo one > /dev/stdout; echo two | tee /dev/stderr; echo >/proc/self/fd/1", user="nobody")
        )

        self.assertEqual(self.output(run), b"one\ntwo\ntwo\n\n")
        self.assert_outcome(run, "succeeded")

    async def test_its_output_is_open_to_it_with_a_later_twisted_too(self):
        later_twisted(self)
        self.patch(self.runner._calls._scripts, "_sessions", Sessions(cast(Reactor, reactor)))
        run = await self.run_of(
            self.bash(
                "until [ -O /dev/fd/1 ]; do sleep 0.01; done; echo one > /dev/stdout; echo two > /dev/stderr",
                user="nobody",
            )
        )

        self.assertEqual(self.output(run), b"one\ntwo\n")

    async def test_a_python_task_is_that_user_too(self):
        nobody = pwd.getpwnam("nobody")
        self.patch(self.runner._calls, "_inherited", {"PATH": os.defpath, "PYTHONPATH": str(ROOT)})
        self.patch(sys, "executable", python_for("nobody"))
        run = await self.run_of(self.python(APART, user="nobody", limits="nice=2", parameters="day"),
                                parameters={"day": "mon"})  # fmt: skip

        self.assert_outcome(run, "succeeded")
        told = f"{nobody.pw_uid} {nobody.pw_gid} {nobody.pw_dir} {{'day': 'mon'}} {os.nice(0) + 2}\n"
        self.assertEqual(self.output(run).decode(), told)

    async def test_it_is_ended_with_all_it_started(self):
        task = self.bash("trap '' TERM; sleep 1000 & setsid sleep 1000 & echo ready; wait; wait", user="nobody")
        run = await self.start(task)
        await self.printed(run, b"ready")
        while len(everyone := await deferToThread(alive, run.id)) < 3:  # one that becomes another program has no mark
            await pause()
        self.assertEqual({process.username() for process in everyone}, {"nobody"})
        self.runner.stop(run.id, Stop("cancelled", "asked"))

        ended = await self.end(run)
        self.assert_outcome(ended, "cancelled", "asked")
        self.assertEqual(ended.signal, "SIGKILL")

    async def test_it_is_ended_at_its_deadline(self):
        run = await self.run_of(self.bash("sleep 1000", user="nobody", limits="cpu=9"), timeout=0.3)

        self.assert_outcome(run, "timed_out", "ran longer than its 0.3 s")
        self.assertEqual(run.signal, "SIGTERM")

    async def test_it_is_started_without_a_fork_of_the_daemon(self):
        def fork():
            raise AssertionError("the daemon was forked")

        task = self.words("true", user="nobody", limits="nice=1, files=64", directory="/")
        self.patch(os, "fork", fork)

        self.assert_outcome(await self.run_of(task), "succeeded")


class PrivilegeTests(UserCase):
    """`id -u` tells as whom it runs; here it is a program that runs as its owner, as sudo does."""

    def setuid(self, owner):
        """A copy of `id` that runs as its owner, whoever starts it."""
        if os.statvfs(self.folder).f_flag & os.ST_NOSUID:
            raise SkipTest(f"setuid programs do not work in {self.folder}: it is mounted with nosuid")
        copy = self.folder / f"id-{owner}"
        shutil.copyfile(present(shutil.which("id")), copy)
        shutil.chown(copy, owner, owner if owner == "root" else None)
        copy.chmod(0o4755)
        return str(copy)

    async def uid(self, owner, **options):
        """Under which number a program that belongs to `owner` runs."""
        return int(self.output(await self.run_of(self.words(self.setuid(owner), "-u", **options))))

    async def test_a_setuid_program_gains_a_run_of_another_user_nothing(self):
        nobody = pwd.getpwnam("nobody").pw_uid
        self.assertEqual(await self.uid("root", name="plain", user="nobody"), nobody)
        self.assertEqual(await self.uid("root", name="limited", user="nobody", limits="nice=1, files=99"), nobody)
        self.assertEqual(await self.uid("root", name="there", user="nobody", directory="/"), nobody)
        self.assertEqual(await self.uid("root", name="not", user="nobody", new_privileges="no"), nobody)

    async def test_its_section_may_say_that_it_does(self):
        self.assertEqual(await self.uid("root", user="nobody", new_privileges="yes"), 0)

    async def test_nor_does_one_within_limits_but_one_that_is_free_does(self):
        nobody = pwd.getpwnam("nobody").pw_uid
        self.assertEqual(await self.uid("nobody", name="free"), nobody)
        self.assertEqual(await self.uid("nobody", name="limited", limits="nice=1"), 0)
        self.assertEqual(await self.uid("nobody", name="said", limits="nice=1", new_privileges="yes"), nobody)
        self.assertEqual(await self.uid("nobody", name="no", new_privileges="no"), 0)

    async def test_nor_does_a_python_task(self):
        self.patch(self.runner._calls, "_inherited", {"PATH": os.defpath, "PYTHONPATH": str(ROOT)})
        self.patch(sys, "executable", python_for("nobody"))
        words = f"subprocess.run([{self.setuid('root')!r}, '-u'], check=True)"
        source = (
            "import subprocess\nfrom jobsched.watchdog import watchdog\nclass T:\n    @watchdog()\n"
            f"    def __call__(self, info):\n        {words}\n"
        )
        run = await self.run_of(self.python(source, user="nobody"))
        self.assertEqual(int(self.output(run)), pwd.getpwnam("nobody").pw_uid)


class LimitTests(RunnerCase):
    async def test_each_limit_is_in_force(self):
        task = self.bash("nice; ulimit -v -n -t; ulimit -Ht", limits="nice=3, memory=1G, cpu=60, files=77")
        run = await self.run_of(task)

        said = self.output(run).decode().split()
        self.assertEqual((said[0], said[-1]), (str(os.nice(0) + 3), "65"))
        limits = dict(line.rsplit(maxsplit=1) for line in self.output(run).decode().splitlines()[1:-1])
        self.assertEqual(sorted(limits.values()), ["1048576", "60", "77"])

    async def test_one_that_computes_for_too_long_is_ended(self):
        run = await self.run_of(self.words(sys.executable, "-c", "while True: pass", limits="cpu=1"))

        self.assertEqual(run.signal, "SIGXCPU")
        self.assert_outcome(run, "failed", "ended by SIGXCPU, for its limit of CPU seconds was reached")

    async def test_one_that_takes_too_much_memory_fails(self):
        run = await self.run_of(self.python(HUNGRY, limits="memory=512M"))

        self.assert_outcome(run, "failed", "MemoryError")
        self.assert_outcome(await self.run_of(self.python(HUNGRY, name="free")), "succeeded")

    async def test_one_that_opens_too_many_files_fails(self):
        run = await self.run_of(self.bash('for n in {10..70}; do eval "exec $n</dev/null"; done', limits="files=32"))

        self.assert_outcome(run, "failed", "exit code")
        self.assertIn(b"Too many open files", self.output(run))

    async def test_the_daemon_itself_keeps_what_it_has(self):
        me = psutil.Process()
        before = [me.rlimit(which) for which in (psutil.RLIMIT_AS, psutil.RLIMIT_CPU, psutil.RLIMIT_NOFILE)]
        await self.run_of(self.bash("true", limits="nice=3, memory=1G, cpu=60, files=77"))

        after = [me.rlimit(which) for which in (psutil.RLIMIT_AS, psutil.RLIMIT_CPU, psutil.RLIMIT_NOFILE)]
        self.assertEqual(after, before)


class CouldNotStartTests(UserCase):
    async def fails(self, task, words, code):
        """The run could not start, for that reason; the next one is well."""
        run = await self.run_of(task)
        self.assert_outcome(run, "failed", "could not start: ", words)
        self.assertEqual(run.exit_code, code)
        self.assert_outcome(await self.run_of(self.words("true", name=f"{task}-next", user="nobody")), "succeeded")

    async def test_a_directory_that_the_user_may_not_enter(self):
        (self.folder / "closed").mkdir(mode=0o700)
        task = self.words("true", user="nobody", directory=str(self.folder / "closed"))
        await self.fails(task, "closed': Permission denied", 125)

    async def test_a_script_that_the_user_may_not_read(self):
        (self.folder / "closed").mkdir(mode=0o700)
        task = self.words(self.script("echo never", name="closed/script"), user="nobody")
        await self.fails(task, "Permission denied", 126)

    async def test_a_script_whose_interpreter_is_missing(self):
        task = self.words(self.script("echo never", shebang="#!/nowhere/python"), user="nobody", limits="nice=1")
        await self.fails(task, "No such file or directory", 127)

    async def test_a_script_without_a_shebang_is_the_shells(self):
        run = await self.run_of(self.words(self.script("echo $USER", shebang=""), user="nobody"))
        self.assertEqual(self.output(run), b"nobody\n")

    async def test_a_user_that_has_gone_since_the_catalog_was_loaded(self):
        who = self.new_user("games")
        task = self.words("true", user=who.pw_name)
        subprocess.run(["userdel", who.pw_name], check=True, capture_output=True)
        subprocess.run(["useradd", "--no-create-home", who.pw_name], check=True)  # for the cleanup, with another id
        subprocess.run(["usermod", "--uid", str(who.pw_uid + 1000), who.pw_name], check=True)
        await self.fails(task, f"uid {who.pw_uid} not found", 1)

    async def test_a_program_in_front_that_went_after_the_catalog_load(self):
        for gone in ("prlimit", "setpriv", "nice"):
            tools = self.folder / f"bin-{gone}"
            tools.mkdir()
            for name in ("prlimit", "setpriv", "nice", "true"):
                (tools / name).symlink_to(present(shutil.which(name)))
            there = self.patch(os, "defpath", str(tools))
            task = self.words(shutil.which("true"), name=gone, user="nobody", limits="cpu=9")
            (tools / gone).unlink()
            run = await self.run_of(task)
            there.restore()
            self.assert_outcome(run, "failed", "could not start: ", f"{tools / gone}: ", "o such ")


class LeftOutTests(RunnerCase):
    async def test_what_systemd_tells_the_daemon_is_not_told_to_scripts(self):
        given = dict.fromkeys(launch.SYSTEMD, "1") | {"KEPT": "yes", "JOBSCHED_TOKEN": "a"}
        self.patch(self.runner._calls, "_inherited", launch.inherited({**os.environ, **given}))
        run = await self.run_of(self.words("env"))
        told = dict(line.split("=", 1) for line in self.output(run).decode().splitlines())

        self.assertEqual([name for name in given if name in told], ["KEPT"])


class SecretTests(RunnerCase):
    async def test_a_secret_reaches_the_script_and_no_log_and_no_reason(self):
        task = self.bash('echo "got $JOBSCHED_PARAM_PASSWORD"; echo "bad hunter22" >&2; exit 3', parameters="password")
        run = await self.run_of(task, parameters={"password": "hunter22"})

        self.assertEqual(self.output(run), b"got hunter22\nbad hunter22\n")
        self.assertEqual(self.log_lines(run), ["got ***", "bad ***"])
        self.assertEqual(run.reason, "exit code 3, last line: bad ***")

    async def test_an_exception_that_tells_it_is_not_repeated(self):
        source = "class T:\n    def command(self, info):\n        raise ValueError(info.parameters['Token'])\n"
        run = await self.run_of(self.python(source, parameters="Token"), parameters={"Token": 1234567})
        self.assertEqual(run.reason, "could not start: ValueError: ***")
        self.assertNotIn(b"1234567", self.output(run))
        self.assertNotIn("1234567", "".join(self.log_lines(run)))

        source = "class T:\n    def __call__(self, info):\n        raise ValueError(info.parameters['Token'])\n"
        task = self.python(source, name="thread", parameters="Token")
        run = await self.run_of(task, parameters={"Token": 1234567})
        self.assertEqual(run.reason, "ValueError: ***")
        self.assertNotIn("1234567", "".join(self.log_lines(run)))

    async def test_a_secret_as_a_word_of_the_wrong_kind_is_not_repeated(self):
        source = (
            "from jobsched.task import Command\nclass T:\n"
            "    def command(self, info):\n        return Command(['echo', info.parameters['secret']])\n"
        )
        run = await self.run_of(self.python(source, parameters="secret"), parameters={"secret": 12})

        self.assertEqual(run.reason, "could not start: TypeError: argv: must be text, not int")


def python_for(user):
    """A Python that this user may start: that of the tests may be root's own."""
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            words = [python, "-c", "import jobsched.runner.child"]
            env = {"PYTHONPATH": str(ROOT)}
            if not subprocess.run(words, user=user, group="nogroup", env=env, cwd="/", check=False).returncode:
                return python
    raise SkipTest(f"no Python can be used by {user}")


def _umask():
    umask = os.umask(0o022)
    os.umask(umask)
    return umask
