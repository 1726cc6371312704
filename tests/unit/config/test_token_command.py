"""`python -m jobsched.token`: what it writes is what the daemon reads, and the token is told once."""

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobsched.config import tokens
from jobsched.token import main
from tests.present import present

ROOT = Path(__file__).parents[3]


@pytest.fixture
def conf(tmp_path):
    return tmp_path


@pytest.fixture
def told(conf, capsys):
    """Runs it; exit status, stdout, stderr."""

    def run(*arguments):
        status = main([*arguments, "--conf-dir", str(conf)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_what_it_prints_is_a_token_that_the_file_knows(told, conf):
    status, secret, rest = told("alice", "--scope", "read", "--scope", "run")

    path = conf / "tokens.cfg"
    token = present(tokens.load(path).find(secret.strip().encode()))
    assert status == 0
    assert token.scopes == {"read", "run"}
    assert (token.name, token.tasks, token.expires) == ("alice", None, None)
    assert secret.strip() not in path.read_text() + rest
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "SIGHUP" in rest


def test_a_wide_umask_opens_the_file_to_nobody(told, conf):
    before = os.umask(0)
    try:
        told("alice", "--scope", "read")
    finally:
        os.umask(before)
    assert stat.S_IMODE((conf / "tokens.cfg").stat().st_mode) == 0o600


def test_tasks_and_an_end_are_written(told, conf):
    told("bob", "--scope", "read", "--tasks", "backup*, report", "--expires", "1.5")

    [token] = tokens.load(conf / "tokens.cfg").known
    assert token.tasks == ("backup*", "report")
    assert abs(present(token.expires) - datetime.now(UTC) - timedelta(days=1.5)) < timedelta(minutes=5)


def test_the_rest_of_the_file_stays_as_it_was(told, conf):
    path = conf / "tokens.cfg"
    head, tail = (
        "# ours\n\n[old]\nscopes = read\nhash = " + "1" * 64,
        "\n# of the next\n[next]\nscopes=run\nhash=" + "2" * 64,
    )
    path.write_text(head + tail)
    path.chmod(0o640)
    told("new", "--scope", "write")

    assert path.read_text().startswith(head + tail + "\n")
    assert [token.name for token in tokens.load(path).known] == ["old", "next", "new"]
    assert told("--revoke", "old")[0] == 0
    assert path.read_text().startswith("# ours\n" + tail + "\n")
    assert [token.name for token in tokens.load(path).known] == ["next", "new"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_comment_inside_a_section_goes_with_it(told, conf):
    path = conf / "tokens.cfg"
    first = f"[a]\nscopes = read\nhash = {'1' * 64}\n"
    path.write_text(first + f"[b]\nscopes = run\n# until then\nexpires = 2030-01-01T00:00Z\nhash = {'2' * 64}\n")
    path.chmod(0o600)

    assert told("--revoke", "b")[0] == 0
    assert path.read_text() == first


def test_all_can_be_revoked_and_the_file_is_still_sound(told, conf):
    told("a", "--scope", "read")
    told("b", "--scope", "read")
    assert [told("--revoke", name)[0] for name in ("a", "b")] == [0, 0]
    assert tokens.load(conf / "tokens.cfg").known == ()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("alice", "--scope", "run"), "section 'alice' already exists"),
        (("--revoke", "nobody"), "there is no [nobody]"),
        (("bob",), "[bob] scopes: must be one or more of read, run, write, admin"),
        (("a b", "--scope", "read"), "[a b] a name has"),
        (("x]\n[y", "--scope", "read"), "one line each"),
        (("bob", "--scope", "read", "--tasks", "a\nscopes = admin"), "one line each"),
        (("bob", "--scope", "read", "--tasks", ""), "[bob] tasks: must be names"),
        (("bob", "--scope", "admin", "--tasks", "a"), "[bob] tasks: the scope admin is for all tasks"),
        (("bob", "--scope", "read", "--expires", "0"), "--expires: must be a number of days above 0"),
        (("bob", "--scope", "read", "--expires", "nan"), "--expires: must be a number of days above 0"),
    ],
)
def test_what_is_refused_changes_nothing_and_tells_no_token(told, conf, arguments, why):
    told("alice", "--scope", "read")
    before = (conf / "tokens.cfg").read_bytes()

    status, out, err = told(*arguments)
    assert (status, out) == (1, "")
    assert why in err
    assert err.count("\n") == 1
    assert (conf / "tokens.cfg").read_bytes() == before
    assert [path.name for path in conf.iterdir()] == ["tokens.cfg"]


@pytest.mark.parametrize(
    "arguments", [(), ("a", "--revoke", "b"), ("--revoke", "b", "--scope", "read"), ("a", "--scope", "x")]
)
def test_a_wrong_command_line_is_told_with_the_usage(conf, arguments):
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--conf-dir", str(conf)])
    assert caught.value.code == 2


def test_a_bad_file_and_a_missing_folder_are_one_line(told, conf):
    (conf / "tokens.cfg").write_text("nonsense\n")
    (conf / "tokens.cfg").chmod(0o600)
    assert told("a", "--scope", "read")[:2] == (1, "")
    assert main(["a", "--scope", "read", "--conf-dir", str(conf / "none")]) == 1


@pytest.mark.slow
def test_many_at_once_lose_none(conf):
    command = [sys.executable, "-m", "jobsched.token", "--scope", "read", "--conf-dir", str(conf)]
    env = {"PYTHONPATH": str(ROOT)}
    started = [subprocess.Popen([*command, f"t{n}"], stdout=subprocess.PIPE, env=env) for n in range(4)]
    secrets = [process.communicate(timeout=60)[0].strip() for process in started]

    known = tokens.load(conf / "tokens.cfg")
    assert [present(known.find(secret)).name for secret in secrets] == [f"t{n}" for n in range(4)]
