"""Where notifications may go: a receiver's URL, and the hosts that the operator allows."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from ipaddress import IPv6Address
from typing import Final

import attrs

from .errors import Invalid
from .job import Notify
from .printable import printable

RULE: Final = "an http or https URL of ASCII without blanks, with neither user nor fragment, or mailto: and an address"
_HOST = r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?\.?)"
_URL = re.compile(
    rf"(?P<scheme>https?)://{_HOST}(?::(?P<port>[1-9][0-9]{{0,4}}))?(?:/[!-~]*)?", re.IGNORECASE | re.ASCII
)
_MAIL = re.compile(
    r"mailto:(?P<address>[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}@(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?))",
    re.ASCII,
)
_PATTERN = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._*-]{1,253})(?::(?P<port>\*|[1-9][0-9]{0,4}))?")
RULE_OF_SECRETS: Final = "16 or more printable characters, or whsec_ with the base64 of 24 or more bytes"
USUAL = {"http": 80, "https": 443, "mailto": 25}
RULE_OF_MAIL: Final = (
    "a dict such as {'server': 'mail.example:587', 'from': 'jobsched@example.org'}, with 'user' and 'password' "
    "where the server wants them, and 'starttls': False where it has no TLS"
)


@attrs.frozen(kw_only=True)
class MailServer:
    """The server that takes our mail."""

    host: str
    port: int
    sender: str  # the address that mail comes from
    user: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    starttls: bool = True  # whether nothing is said to it before the connection is encrypted

    @classmethod
    def of(cls, given: object) -> MailServer:
        """From the option. Raises ValueError, which repeats nothing of it."""
        if not isinstance(given, dict) or given.keys() - {"server", "from", "user", "password", "starttls"}:
            raise ValueError(f"must be {RULE_OF_MAIL}")
        texts = {name: given.get(name) for name in ("server", "from", "user", "password")}
        server, sender = _PATTERN.fullmatch(str(texts["server"])), _MAIL.fullmatch(f"mailto:{texts['from']}")
        starttls = given.get("starttls", True)
        sound = all(value is None or (isinstance(value, str) and printable(value)) for value in texts.values())
        paired = (texts["user"] is None) == (texts["password"] is None)
        if server is None or sender is None or not (sound and paired) or not isinstance(starttls, bool):
            raise ValueError(f"must be {RULE_OF_MAIL}")
        if "*" in server[0]:
            raise ValueError(f"must be {RULE_OF_MAIL}")
        port = int(server["port"] or (587 if starttls else 25))
        access = {"user": texts["user"], "password": texts["password"]}
        return cls(host=_plain(server["host"]), port=port, sender=sender["address"], starttls=starttls, **access)


@attrs.frozen(kw_only=True)
class Receiver:
    """A URL and its parts. Only plain URLs are accepted, which no two programs could read differently."""

    url: str = attrs.field(repr=False)  # as it was given; it may hold a secret
    scheme: str
    host: str  # in lower case, without brackets and final dot
    port: int

    @classmethod
    def of(cls, url: str) -> Receiver:
        """Raises ValueError, which says what is wrong."""
        if (mail := _MAIL.fullmatch(url)) is not None:
            return cls(url=url, scheme="mailto", host=_plain(mail["host"]), port=USUAL["mailto"])
        found = _URL.fullmatch(url)
        if found is None or "#" in url or "\\" in url or int(found["port"] or 1) > 65535:
            raise ValueError(f"must be {RULE}")
        if found["host"].startswith("["):
            IPv6Address(found["host"][1:-1])
        scheme = found["scheme"].lower()
        return cls(url=url, scheme=scheme, host=_plain(found["host"]), port=int(found["port"] or USUAL[scheme]))

    @property
    def place(self) -> str:
        """Host and port of the URL: logs and messages name nothing else of it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen(kw_only=True)
class Receivers:
    """Where notifications may go."""

    everyone: Receiver | None = None  # the receiver for all jobs
    hosts: tuple[str, ...] = ()  # patterns such as hooks.example, *.example:8443, *:*
    private: bool = False  # whether networks of our own are allowed
    mail: MailServer | None = None

    @classmethod
    def of(cls, url: str | None, hosts: Iterable[str] | None, private: bool, mail: object = None) -> Receivers:
        """From the options. Without patterns there is only the place of the receiver for all jobs, or its mailbox."""
        everyone = None if url is None else Receiver.of(url)
        if hosts is None:
            hosts = [] if everyone is None or everyone.scheme == "mailto" else [everyone.place]
        server = None if mail is None else MailServer.of(mail)
        return cls(everyone=everyone, hosts=tuple(hosts), private=private, mail=server)

    @property
    def place(self) -> str | None:
        """Host and port of the receiver for all jobs; None: there is no such receiver."""
        return None if self.everyone is None else self.everyone.place

    def allow(self, receiver: Receiver) -> bool:
        """Whether a job may name this receiver. The operator's own is always allowed."""
        return receiver == self.everyone or any(_matches(pattern, receiver) for pattern in self.hosts)

    def check(self, notify: Notify | None) -> None:
        """Raises Invalid if a job may not name that receiver, or if there is no receiver for its events."""
        if notify is None:
            return
        if notify.url is None and notify.format != "json":
            raise Invalid("is for a receiver of one's own, which `url` names", "/notify/format")
        if notify.url is None:
            if notify.on and self.everyone is None:
                raise Invalid("is needed: there is no receiver for all jobs (NOTIFY_URL)", "/notify/url")
            return
        try:
            receiver = Receiver.of(notify.url)
        except ValueError as why:
            raise Invalid(str(why), "/notify/url") from None
        if receiver.scheme == "mailto" and self.mail is None:
            raise Invalid("is a mailbox, and there is no server for mail (NOTIFY_MAIL)", "/notify/url")
        if receiver.scheme == "mailto" and notify.format != "json":
            raise Invalid("is for a chat, and mail is text", "/notify/format")
        if not self.allow(receiver):
            raise Invalid(f"{receiver.place} is not among the hosts that are allowed (NOTIFY_HOSTS)", "/notify/url")


def signing_key(secret: str) -> bytes:
    """The key that a secret of the operator stands for, as Standard Webhooks has it: what follows `whsec_` is base64,
    anything else is used as its bytes. Raises ValueError."""
    text = secret.removeprefix("whsec_")
    return secret.encode() if text == secret else base64.b64decode(text, validate=True)


def is_secret(text: str) -> bool:
    """Whether `text` may be used as a secret (`RULE_OF_SECRETS`)."""
    try:
        key = signing_key(text)
    except ValueError:
        return False
    return printable(text) and len(key) >= (24 if text.startswith("whsec_") else 16)


def place_of(url: str) -> str:
    """Host and port of a receiver's URL; "": it is no such URL."""
    try:
        return Receiver.of(url).place
    except ValueError:
        return ""


def shown(url: str) -> str:
    """A receiver's URL without its query, where secrets are kept."""
    return url.partition("?")[0]


def is_receiver(value: object) -> bool:
    """Whether `value` names a receiver."""
    return isinstance(value, str) and place_of(value) != ""


def are_secrets(value: object) -> bool:
    """Whether `value` is a secret, or a list of some."""
    return all(isinstance(each, str) and is_secret(each) for each in (value if isinstance(value, list) else [value]))


def are_patterns(value: object) -> bool:
    """Whether `value` is a list of patterns of hosts."""
    return isinstance(value, list) and all(isinstance(text, str) and is_pattern(text) for text in value)


def is_mail_server(value: object) -> bool:
    """Whether `value` says who takes our mail."""
    try:
        MailServer.of(value)
    except ValueError:
        return False
    return True


def is_pattern(text: str) -> bool:
    """Whether `text` can stand for hosts."""
    return _PATTERN.fullmatch(text) is not None


def _matches(pattern: str, receiver: Receiver) -> bool:
    """Without a port a pattern is for the usual one of the URL's scheme."""
    found = _PATTERN.fullmatch(pattern)
    if found is None:
        return False
    port = found["port"]
    same_port = port == "*" or receiver.port == (int(port) if port else USUAL[receiver.scheme])
    return same_port and fnmatchcase(receiver.host, _plain(found["host"]))


def _plain(host: str) -> str:
    return host.strip("[]").removesuffix(".").lower()
