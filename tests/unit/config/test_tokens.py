"""`tokens.cfg`: what it may say, who may read it, and what stays in force when it is bad."""

import hmac
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from jobsched.config import tokens
from jobsched.config.tokens import TokenHolder, Tokens, hashed, load, make
from jobsched.model.errors import BadTokens
from tests.present import present

ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture
def file(tmp_path):
    def write(text, mode=0o600):
        path = tmp_path / "tokens.cfg"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return write


def test_no_file_and_an_empty_one_have_no_tokens(file, tmp_path):
    assert load(tmp_path / "tokens.cfg") == Tokens()
    assert load(file("# nothing yet\n")) == Tokens()
    assert not Tokens().asked


def test_every_option_is_read(file):
    text = (
        f"[a-b@c.d]\nscopes = run read, read\nhash = {ONE}\ntasks = backup*, report\nexpires = 2030-01-01T02:00+02:00\n"
    )
    found = load(file(text))

    [token] = found.known
    assert (token.name, token.hash) == ("a-b@c.d", ONE)
    assert token.scopes == {"read", "run"}
    assert token.tasks == ("backup*", "report")
    assert token.expires == datetime(2030, 1, 1, tzinfo=UTC)
    assert found.asked


def test_a_new_token_is_found_by_itself_alone(file):
    secret = make()
    path = file(f"[one]\nscopes = read\nhash = {hashed(secret.encode())}\n[two]\nscopes = admin\nhash = {ONE}\n")
    found = load(path)

    assert present(found.find(secret.encode())).name == "one"
    assert len(secret) == len("jobsched_") + 43
    assert make() != secret
    for wrong in (
        b"",
        secret[:-1].encode(),
        secret.encode() + b"=",
        ONE.encode(),
        b"\xff",
        hashed(secret.encode()).encode(),
    ):
        assert found.find(wrong) is None


def test_all_are_compared_in_constant_time(monkeypatch):
    compared = []

    def compare(one, other):
        compared.append(one)
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    known = tuple(tokens.Token(name=str(n), scopes=frozenset(), hash=hashed(b"%d" % n)) for n in range(5))

    assert present(Tokens(known).find(b"0")).name == "0"
    assert compared == [token.hash for token in known]  # those behind the one that was found, too


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            f"[a]\nscopes = read\nhash = {ONE}\ntask = x\n",
            "[a] task: unknown option; there are scopes, hash, tasks, expires",
        ),
        (f"[a]\nscopes = reed\nhash = {ONE}\n", "[a] scopes: must be one or more of read, run, write, admin"),
        (f"[a]\nscopes =\nhash = {ONE}\n", "[a] scopes: must be one or more of"),
        (f"[a]\nhash = {ONE}\n", "[a] scopes: must be one or more of"),
        ("[a]\nscopes = read\n", "[a] hash: must be the SHA-256 of the token, 64 digits in hex"),
        ("[a]\nscopes = read\nhash = jobsched_x\n", "[a] hash: must be"),
        (f"[a]\nscopes = read\nhash = {ONE}\n[b]\nscopes = run\nhash = {ONE}\n", "[b] hash: is that of [a]"),
        (f"[a]\nscopes = read\nhash = {ONE}\n[a]\nscopes = run\nhash = {TWO}\n", "section 'a' already exists"),
        (f"[a]\nscopes = read\nhash = {ONE}\ntasks =\n", "[a] tasks: must be names of tasks"),
        (f"[a]\nscopes = read\nhash = {ONE}\ntasks = a, [b]\n", "[a] tasks: must be names of tasks"),
        (f"[a]\nscopes = admin\nhash = {ONE}\ntasks = a\n", "[a] tasks: the scope admin is for all tasks"),
        (f"[a]\nscopes = read\nhash = {ONE}\nexpires = soon\n", "[a] expires: must be an instant"),
        (f"[a]\nscopes = read\nhash = {ONE}\nexpires = 2030-01-01\n", "[a] expires: must be an instant"),
        (f"[a b]\nscopes = read\nhash = {ONE}\n", "[a b] a name has up to 64"),
        (f"[DEFAULT]\nscopes = admin\n[a]\nhash = {ONE}\n", "[DEFAULT] hash: must be"),
        ("scopes = read\n", "no section headers"),
        (b"[a]\nscopes = \xff\n", "not UTF-8 at byte 13"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(file, text, why):
    path = file(text)

    with pytest.raises(BadTokens) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o620, 0o660, 0o777])
def test_a_file_that_is_open_to_others_is_refused(file, mode):
    with pytest.raises(BadTokens, match=f"its mode is {mode:04o}: others may read it, or change it; chmod it to 0600"):
        load(file("", mode))


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o440])
def test_its_group_may_read_it(file, mode):
    assert load(file("", mode)) == Tokens()


def test_what_is_no_file_is_refused_and_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "tokens.cfg", 0o600)
    with pytest.raises(BadTokens, match="not a file"):
        load(tmp_path / "tokens.cfg")
    with pytest.raises(BadTokens, match=r"Is a directory|not a file"):
        load(tmp_path)


def reloaded(ring):
    outcome: list[Any] = []
    Deferred.fromCoroutine(ring.reload()).addBoth(outcome.append)
    return outcome[0]


def test_a_bad_file_leaves_the_old_tokens_in_force():
    old = Tokens((tokens.Token(name="a", scopes=frozenset({"read"}), hash=ONE),))
    ring = TokenHolder(old, lambda: fail(BadTokens("bad")))

    assert reloaded(ring).check(BadTokens)
    assert ring.tokens is old
    ring.hang_up()
    assert ring.tokens is old


def test_one_who_asked_goes_on_asking_when_no_token_is_left():
    some = Tokens((tokens.Token(name="a", scopes=frozenset({"read"}), hash=ONE),))
    found = [Tokens(), Tokens(), some, Tokens()]
    ring = TokenHolder(Tokens(), lambda: succeed(found.pop(0)))

    asked = []
    while found:
        assert reloaded(ring) is None
        asked.append(ring.tokens.asked)
    assert asked == [False, False, True, True]
    assert ring.tokens.find(b"anything") is None
