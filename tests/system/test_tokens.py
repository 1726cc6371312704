"""`tokens.cfg` under a real daemon: when it is read, what a bad one does, and which addresses it opens."""

from __future__ import annotations

import signal
from pathlib import Path

from jobsched.config.tokens import FILE
from tests.system.daemon import Daemon, until
from tests.system.secured import SecuredDaemon
from tests.system.secured import typed_token as token


def status(daemon: Daemon, secret: str) -> int:
    return SecuredDaemon(daemon, {}).ask("GET", "/catalog", secret).status


def test_tokens_are_read_again_and_a_bad_file_leaves_the_old(daemon: Daemon) -> None:
    daemon.start()
    assert status(daemon, "") == 200
    one = token(daemon, "one", "--scope", "admin")
    daemon.signal(signal.SIGHUP)
    until(lambda: status(daemon, "") == 401)
    assert status(daemon, one) == 200

    two, path = token(daemon, "two", "--scope", "read"), daemon.folder / "conf" / FILE
    assert status(daemon, two) == 401
    assert SecuredDaemon(daemon, {}).ask("POST", "/catalog/reload", one).status == 200
    assert status(daemon, two) == 200

    token(daemon, "--revoke", "two")
    path.chmod(0o644)
    refused = SecuredDaemon(daemon, {}).ask("POST", "/catalog/reload", one)
    assert (refused.status, refused.json["detail"]) == (
        409, f"{path}: its mode is 0644: others may read it, or change it; chmod it to 0600"
    )  # fmt: skip
    daemon.signal(signal.SIGHUP)
    until(lambda: f"the old tokens stay in force: {path}: its mode" in daemon.log)
    assert status(daemon, two) == 200
    path.chmod(0o600)
    assert SecuredDaemon(daemon, {}).ask("POST", "/catalog/reload", one).status == 200
    assert status(daemon, two) == 401

    path.unlink()
    daemon.signal(signal.SIGHUP)
    until(lambda: status(daemon, one) == 401)
    assert status(daemon, "") == 401
    assert daemon.stop() == 0
    daemon.start()
    assert status(daemon, "") == 200


def test_a_bad_file_ends_the_start_with_one_line(daemon: Daemon) -> None:
    path: Path = daemon.folder / "conf" / FILE
    path.write_text("[a]\nscopes = all\n")
    path.chmod(0o600)
    assert daemon.run() == (1, f"jobsched: {path}: [a] hash: must be the SHA-256 of the token, 64 digits in hex\n")
    path.chmod(0o604)
    code, said = daemon.run()
    assert (code, said.count("\n")) == (1, 1)
    assert "its mode is 0604" in said


def test_any_address_is_served_with_tokens_ours_alone_without(daemon: Daemon) -> None:
    everywhere = f"tcp:{daemon.port}:interface=0.0.0.0"
    code, said = daemon.run("--listen", everywhere)
    assert code == 1
    assert "without tokens only 127.0.0.1" in said

    secret = token(daemon, "one", "--scope", "read")
    daemon.start("--listen", everywhere)
    assert [status(daemon, given) for given in ("", secret)] == [401, 200]
    token(daemon, "--revoke", "one")
    daemon.signal(signal.SIGHUP)
    until(lambda: "nobody is let in" in daemon.log)
    assert [status(daemon, given) for given in ("", secret)] == [401, 401]
    assert daemon.stop() == 0
    assert daemon.run("--listen", everywhere)[0] == 1
