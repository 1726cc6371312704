"""`tokens.cfg` -> tokens: who may do what. The file holds a hash of each token and never the token itself.

A token is 256 random bits, so a plain SHA-256 is enough: nobody can try so many tokens. A hash that is slow on purpose,
as passwords need it, would only let strangers keep the daemon busy.
"""

from __future__ import annotations

import configparser
import hmac
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ..model.caller import SCOPES, Scope, is_pattern
from ..model.errors import BadTokens

FILE = "tokens.cfg"
PREFIX = "jobsched_"  # makes a lost or published token easy to recognise
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
NOT_FOR_OTHERS = stat.S_IRWXO | stat.S_IWGRP
FINGERPRINT = 16  # digits in hex
DIGEST = "must be the SHA-256 of the token, 64 digits in hex"
OPTIONS = ("scopes", "hash", "tasks", "expires", "old_hash", "old_until")


@attrs.frozen(kw_only=True)
class Token:
    """One section of the file."""

    name: str
    scopes: frozenset[Scope]
    hash: str  # SHA-256 of the token, in hex
    tasks: tuple[str, ...] | None = None  # patterns; None: all tasks
    expires: datetime | None = None
    old_hash: str | None = None  # of the token before this one, which is good until `old_until`
    old_until: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """By which its last use is stored."""
        return fingerprint(self.hash)

    def until(self, instant: datetime) -> Token:
        """The same, but good until `instant` at most."""
        return attrs.evolve(self, expires=instant if self.expires is None else min(self.expires, instant))


@attrs.frozen
class Tokens:
    """All tokens that are known. Without any, no caller needs a token, unless `closed`."""

    known: tuple[Token, ...] = ()
    closed: bool = False  # there were tokens before: every caller needs one, though none is valid

    @property
    def asked(self) -> bool:
        """Whether a caller needs a token."""
        return bool(self.known) or self.closed

    def find(self, secret: bytes) -> Token | None:
        """The token that was sent. All are compared, in constant time, so that the time taken tells nothing."""
        sent = hashed(secret)
        found = None
        for token in self.known:
            if hmac.compare_digest(token.hash, sent):
                found = token
            if token.old_hash is not None and token.old_until is not None:
                found = token.until(token.old_until) if hmac.compare_digest(token.old_hash, sent) else found
        return found


OPEN = Tokens()


def fingerprint(digest: str) -> str:
    """The begin of a hash, which is enough to tell tokens apart."""
    return digest[:FINGERPRINT]


def make() -> str:
    """A new token."""
    return PREFIX + secrets.token_urlsafe(32)


def hashed(secret: bytes) -> str:
    """The hash by which a token is kept."""
    return sha256(secret).hexdigest()


def load(path: Path) -> Tokens:
    """Read the file; without a file there are no tokens. Raises BadTokens, in one line."""
    return Tokens(parse(read(path), path))


def read(path: Path) -> str:
    """The text of the file, "" where there is none. Raises BadTokens, also if other users may read or change it."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode  # of the open file, even if another one has its name a moment later
            if not stat.S_ISREG(mode):
                raise BadTokens(f"{path}: not a file")
            if mode & NOT_FOR_OTHERS:
                raise BadTokens(
                    f"{path}: its mode is {stat.S_IMODE(mode):04o}: others may read it, or change it; chmod it to 0600"
                )
            return file.read().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as why:
        raise BadTokens(f"{path}: {why.strerror}") from why
    except UnicodeDecodeError as why:
        raise BadTokens(f"{path}: not UTF-8 at byte {why.start}") from why


def parse(text: str, path: Path) -> tuple[Token, ...]:
    """The tokens of a text; errors name `path`. Raises BadTokens."""
    parser = configparser.RawConfigParser(default_section="")  # or [DEFAULT] would give scopes to all tokens
    try:
        parser.read_string(text, source=str(path))
    except configparser.Error as why:
        raise BadTokens(f"{path}: {' '.join(str(why).split())}") from why
    found: dict[str, Token] = {}
    for name in parser.sections():
        try:
            token = _token(name, parser[name])
        except ValueError as why:
            raise BadTokens(f"{path}: [{name}] {why}") from why
        for digest in (token.hash, token.old_hash):
            if digest in found:
                raise BadTokens(f"{path}: [{name}] hash: is that of [{found[digest].name}]")
            if digest is not None:
                found[digest] = token
    return tuple(dict.fromkeys(found.values()))


def _token(name: str, options: Mapping[str, str]) -> Token:
    """The token of one section. Raises ValueError, in words."""
    if NAME.fullmatch(name) is None:
        raise ValueError("a name has up to 64 letters, digits, and . _ @ - behind the first")
    unknown = next((option for option in options if option not in OPTIONS), None)
    if unknown is not None:
        raise ValueError(f"{unknown}: unknown option; there are {', '.join(OPTIONS)}")
    digest, old = _digest(options, "hash"), _digest(options, "old_hash")
    if digest is None:
        raise ValueError(f"hash: {DIGEST}")
    until = _instant("old_until", options.get("old_until"))
    if (old is None) != (until is None):
        raise ValueError("old_hash and old_until go together")
    scopes = _scopes(options.get("scopes", ""))
    tasks = _tasks(options["tasks"]) if "tasks" in options else None
    if tasks is not None and "admin" in scopes:
        raise ValueError("tasks: the scope admin is for all tasks")
    expires = _instant("expires", options.get("expires"))
    return Token(name=name, scopes=scopes, hash=digest, tasks=tasks, expires=expires, old_hash=old, old_until=until)


def _digest(options: Mapping[str, str], option: str) -> str | None:
    digest = options.get(option, "").strip().lower()
    if option in options and re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise ValueError(f"{option}: {DIGEST}")
    return digest or None


def _scopes(text: str) -> frozenset[Scope]:
    given = text.replace(",", " ").split()
    if not given or any(word not in SCOPES for word in given):
        raise ValueError(f"scopes: must be one or more of {', '.join(SCOPES)}")
    return frozenset(scope for scope in SCOPES if scope in given)


def _tasks(text: str) -> tuple[str, ...]:
    patterns = tuple(part.strip() for part in text.split(","))
    for pattern in patterns:
        if not is_pattern(pattern):
            raise ValueError(f"tasks: must be names of tasks with commas between them, or patterns with * and ?, "
                             f"not {pattern!r}")  # fmt: skip
    return patterns


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(f"{option}: must be an instant such as 2030-01-01T00:00:00+00:00, not {text!r}")
    return found.astimezone(UTC)


class TokenHolder:
    """Holds the tokens in force, and replaces them when the file has changed and is sound.

    A daemon that once required tokens requires them until it ends: a file that was emptied by mistake, or to shut all
    callers out, must not let all callers in.
    """

    log = Logger()

    def __init__(self, tokens: Tokens, load: Callable[[], Deferred[Tokens]]) -> None:
        self.tokens = tokens
        self.sound = True  # whether the file was sound when it was read last
        self._load = load

    async def reload(self) -> None:
        """Read the file again. Raises BadTokens; the old tokens stay in force then."""
        try:
            tokens = await self._load()
        except BadTokens:
            self.sound = False
            raise
        self.sound = True
        if self.tokens.asked and not tokens.known:
            self.log.warn("there are no tokens any more, and nobody is let in; restart to serve without tokens")
            tokens = Tokens(closed=True)
        self.tokens = tokens
        self.log.info("tokens were read: {names}", names=", ".join(token.name for token in tokens.known) or "none")

    def hang_up(self) -> Deferred[None]:
        """Read the file again for a signal: a bad file is reported in the log."""
        return Deferred.fromCoroutine(self.reload()).addErrback(
            lambda why: self.log.error("the old tokens stay in force: {why}", why=why.getErrorMessage())
        )
