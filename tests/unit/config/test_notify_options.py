"""The options of jobsched.cfg that say who is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobsched.config.options import load
from jobsched.model.errors import BadConfig

URL = (
    "must be an http or https URL of ASCII without blanks, with neither user nor fragment, or mailto: and an address, "
    "or None"
)
SECRET = (
    "must be 16 or more printable characters, or whsec_ with the base64 of 24 or more bytes, "
    "a list of such texts, or None"
)
HOSTS = "must be a list of hosts such as ['hooks.example', '*.example:8443'], or None, not "


def put(folder: Path, text: str) -> tuple[Path, Path]:
    (folder / "jobsched.cfg").write_text(text)
    return folder, folder


def test_nobody_is_told_unless_the_operator_says_so(tmp_path: Path) -> None:
    config = load(*put(tmp_path, ""))
    assert config.receivers.everyone is None
    assert config.receivers.hosts == ()
    assert not config.receivers.private
    assert config.notify_old_signature


@pytest.mark.parametrize("secret", ["0123456789abcdef", ["whsec_" + 32 * "A", "a secret, blanks and all"]])
def test_they_are_read(tmp_path: Path, secret: object) -> None:
    text = (
        f"NOTIFY_URL = 'https://hooks.example/all?key=1'\nNOTIFY_SECRET = {secret!r}\n"
        "NOTIFY_HOSTS = ['*.example:*', '[::1]:80']\nNOTIFY_PRIVATE = True"
    )
    config = load(*put(tmp_path, text))
    assert config.receivers.place == "hooks.example:443"
    assert config.receivers.hosts == ("*.example:*", "[::1]:80")
    assert config.receivers.private
    assert config.notify_secret == secret


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NOTIFY_URL = 'hunter22'", f"NOTIFY_URL: {URL}"),
        ("NOTIFY_URL = 'https://jobs:hunter22@hooks.example/'", f"NOTIFY_URL: {URL}"),
        ("NOTIFY_URL = b'https://hooks.example/'", f"NOTIFY_URL: {URL}"),
        ("NOTIFY_SECRET = 'hunter22'", f"NOTIFY_SECRET: {SECRET}"),
        ("NOTIFY_SECRET = b'0123456789abcdef'", f"NOTIFY_SECRET: {SECRET}"),
        ("NOTIFY_SECRET = ['0123456789abcdef', 'hunter22']", f"NOTIFY_SECRET: {SECRET}"),
        ("NOTIFY_SECRET = '0123456789abcdef\\n'", f"NOTIFY_SECRET: {SECRET}"),
        ("NOTIFY_SECRET = 'whsec_hunter22hunter22'", f"NOTIFY_SECRET: {SECRET}"),
        ("NOTIFY_SECRET = 'whsec_0123456789 hunter22 0123456789'", f"NOTIFY_SECRET: {SECRET}"),
        ("NOTIFY_OLD_SIGNATURE = 0", "NOTIFY_OLD_SIGNATURE: must be True or False, not 0"),
        ("NOTIFY_HOSTS = 'hooks.example'", f"NOTIFY_HOSTS: {HOSTS}'hooks.example'"),
        ("NOTIFY_HOSTS = ['https://hooks.example']", f"NOTIFY_HOSTS: {HOSTS}['https://hooks.example']"),
        ("NOTIFY_HOSTS = [1]", f"NOTIFY_HOSTS: {HOSTS}[1]"),
        ("NOTIFY_PRIVATE = 1", "NOTIFY_PRIVATE: must be True or False, not 1"),
    ],
)
def test_what_is_wrong_is_said_and_no_secret_with_it(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load(*put(tmp_path, text))
    assert str(caught.value).endswith(f"jobsched.cfg: {why}")
    assert "hunter22" not in str(caught.value)


MAIL = "NOTIFY_MAIL: must be a dict such as"
SERVER = {"server": "mail.example", "from": "jobs@example.org"}


def test_the_mail_server_is_read(tmp_path: Path) -> None:
    config = load(*put(tmp_path, f"NOTIFY_MAIL = {SERVER!r}\nNOTIFY_URL = 'mailto:ops@example.org'"))
    server, everyone = config.receivers.mail, config.receivers.everyone
    assert server is not None
    assert (server.host, server.port, server.sender, server.starttls) == ("mail.example", 587, "jobs@example.org", True)
    assert everyone is not None
    assert (everyone.scheme, everyone.host, config.receivers.hosts) == ("mailto", "example.org", ())


@pytest.mark.parametrize(
    "given",
    [
        "mail.example",
        {},
        {"server": "mail.example"},
        SERVER | {"from": "jobs"},
        SERVER | {"from": "a@b\nc"},
        SERVER | {"server": "*"},
        SERVER | {"user": "hunter22"},
        SERVER | {"user": "a", "password": "hunter22\n"},
        SERVER | {"starttls": 1},
        SERVER | {"sever": "hunter22"},
    ],
)
def test_what_is_no_mail_server_is_refused_and_not_shown(tmp_path: Path, given: object) -> None:
    with pytest.raises(BadConfig) as why:
        load(*put(tmp_path, f"NOTIFY_MAIL = {given!r}"))
    assert MAIL in str(why.value)
    assert "hunter22" not in str(why.value)
