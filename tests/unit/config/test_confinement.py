"""What is put in front of a run's program, and what is refused before there is a run."""

import os
import pwd
import shutil
import subprocess

import pytest

from jobsched.config import confinement
from jobsched.config.confinement import FREE, confine
from jobsched.model.rlimits import ResourceLimits

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of another user")
NONE = ResourceLimits()
NICE, PRLIMIT, SETPRIV = (shutil.which(name, path=os.defpath) for name in ("nice", "prlimit", "setpriv"))
NO_MORE = (SETPRIV, "--no-new-privs", "--")


def test_without_a_wish_nothing_is_put_in_front():
    assert confine(None, NONE) == FREE
    assert (FREE.chain, FREE.launchers, dict(FREE.environment), FREE.user) == ((), (), {}, None)
    assert FREE.new_privileges is True


@pytest.mark.parametrize(
    ("resource_limits", "chain"),
    [
        (ResourceLimits(nice=3), (NICE, "-n", "3", "--", *NO_MORE)),
        (ResourceLimits(nice=0), (NICE, "-n", "0", "--", *NO_MORE)),
        (ResourceLimits(memory=2**28), (PRLIMIT, f"--as={2**28}", "--", *NO_MORE)),
        (ResourceLimits(cpu=60), (PRLIMIT, "--cpu=60:65", "--", *NO_MORE)),
        (
            ResourceLimits(nice=1, memory=2**28, cpu=1, files=32),
            (PRLIMIT, f"--as={2**28}", "--cpu=1:6", "--nofile=32", "--", NICE, "-n", "1", "--", *NO_MORE),
        ),
    ],
)
def test_limits_are_programs_and_their_words(resource_limits, chain):
    found = confine(None, resource_limits)

    assert (found.chain, found.resource_limits) == (chain, resource_limits)
    assert found.launchers == tuple(os.path.basename(word) for word in chain if word.startswith("/"))


@ROOT
def test_a_user_is_taken_on_last_after_what_only_root_may_do():
    nobody = pwd.getpwnam("nobody")
    found = confine("nobody", ResourceLimits(files=32))

    ids = (f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--init-groups", "--inh-caps=-all")
    words = (SETPRIV, *ids, "--no-new-privs", "--", NICE, "-n", "0", "--")
    assert found.chain == (PRLIMIT, "--nofile=32", "--", *words)
    assert found.launchers == ("prlimit", "setpriv", "nice")
    assert found.user == "nobody"
    assert found.environment == {
        "HOME": nobody.pw_dir, "USER": "nobody", "LOGNAME": "nobody", "SHELL": nobody.pw_shell or "/bin/sh"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("resource_limits", "asked", "found", "chain"),
    [
        (NONE, None, True, ()),
        (NONE, True, True, ()),
        (NONE, False, False, NO_MORE),
        (ResourceLimits(nice=1), None, False, (NICE, "-n", "1", "--", *NO_MORE)),
        (ResourceLimits(nice=1), True, True, (NICE, "-n", "1", "--")),
        (ResourceLimits(nice=1), False, False, (NICE, "-n", "1", "--", *NO_MORE)),
    ],
)
def test_what_is_confined_gains_no_rights_unless_it_is_said(resource_limits, asked, found, chain):
    confined = confine(None, resource_limits, asked)

    assert (confined.new_privileges, confined.chain) == (found, chain)


@ROOT
def test_a_user_may_gain_rights_where_it_is_said():
    assert "--no-new-privs" in confine("nobody", NONE).chain
    assert confine("nobody", NONE).new_privileges is False
    assert "--no-new-privs" not in confine("nobody", NONE, True).chain
    assert confine("root", NONE).new_privileges is False


def refusal(user, resource_limits=NONE):
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the words are looked at
        confine(user, resource_limits)
    return str(refused.value)


@pytest.mark.parametrize("name", ["nobody-of-that-name", "a\0b", "0"])
def test_a_user_must_be_known(name):
    assert refusal(name) == f"there is no user {name!r} on this machine"


def test_only_root_can_start_processes_of_another_user(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert refusal(pwd.getpwuid(os.getuid()).pw_name) == (
        "only a daemon that root has started can run a task as a user"
    )


@pytest.mark.parametrize(
    ("name", "user", "resource_limits", "package"),
    [
        ("prlimit", None, ResourceLimits(cpu=1), "util-linux"),
        ("setpriv", "root", NONE, "util-linux"),
        ("setpriv", None, ResourceLimits(cpu=1), "util-linux"),
        ("nice", None, ResourceLimits(nice=1), "coreutils"),
    ],
)
def test_a_missing_program_is_named_with_where_to_find_it(name, user, resource_limits, package, monkeypatch):
    which = shutil.which
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool, path=None: None if tool == name else which(tool, path=path))

    assert refusal(user, resource_limits) == f"{name}: not found ({package} is needed)"


@pytest.mark.parametrize(
    ("resource_limits", "words"),
    [
        (ResourceLimits(files=3), "error while loading shared libraries"),
        (ResourceLimits(memory=1024), "no program can be started so: "),
    ],
)
def test_limits_in_which_no_program_can_start_are_refused(resource_limits, words):
    assert words in refusal(None, resource_limits)


def test_what_this_host_does_not_let_us_do_is_refused(monkeypatch):
    """As root without rights, which is what a container may have, or as an ordinary user."""
    assert os.geteuid() != 0 or SETPRIV
    words = [str(SETPRIV), "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    run = subprocess.run
    if os.geteuid() == 0:
        words += ["--reuid=65534", "--clear-groups"]
    monkeypatch.setattr(subprocess, "run", lambda argv, **more: run([*words, *argv], **more))

    assert "nice: cannot set niceness: Permission denied" in refusal(None, ResourceLimits(nice=-1))
    assert "prlimit: failed to set the NOFILE resource limit: Operation not permitted" in refusal(
        None, ResourceLimits(files=10**9)
    )


def test_a_trial_that_does_not_end_is_given_up(monkeypatch, tmp_path):
    slow = tmp_path / "nice"
    slow.write_text("#!/bin/sh\nexec sleep 1000\n")
    slow.chmod(0o755)
    monkeypatch.setattr(confinement, "program", lambda name: str(tmp_path / name))
    monkeypatch.setattr(confinement, "PATIENCE", 0.2)

    assert refusal(None, ResourceLimits(nice=1)) == "a program that does nothing did not end in 0.2 s"
