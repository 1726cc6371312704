"""`python -m jobsched.token`: makes a token, prints it once, and writes down its hash; rotates or revokes
one."""

from __future__ import annotations

import fcntl
import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .config import tokens
from .model.caller import SCOPES
from .model.errors import BadTokens, JobschedError

MADE = 0o600
DONE, REFUSED = 0, 1
LONGEST = 36_525  # days
COMMENT = ("#", ";")
OF_HASH = re.compile(r"\s*(hash|old_hash|old_until)\s*[=:]", re.IGNORECASE)
HEAD = """\
# Who may do what over HTTP. Made by `python -m jobsched.token`; the tokens themselves are kept nowhere.
# The daemon reads this file at its start, on SIGHUP, and on POST /catalog/reload.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status; the token goes to stdout, all else to stderr."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    wrong = _mistake(asked)
    if wrong:
        parser.error(wrong)
    path = Path(asked.conf_dir) / tokens.FILE
    try:
        with _alone(path):
            now = datetime.now(UTC)  # noqa: TID251  # nothing runs here
            if asked.revoke is not None:
                revoke(path, asked.revoke)
            elif asked.rotate is not None:
                sys.stdout.write(f"{rotate(path, asked.rotate, asked.overlap, now)}\n")
            else:
                sys.stdout.write(f"{add(path, asked, now)}\n")
    except JobschedError as why:
        sys.stderr.write(f"jobsched.token: {why}\n")
        return REFUSED
    sys.stderr.write(f"{path} is changed; send the daemon SIGHUP, or POST /catalog/reload\n")
    return DONE


def _mistake(asked: Namespace) -> str:
    """What on the command line does not go together."""
    if sum(each is not None for each in (asked.name, asked.revoke, asked.rotate)) != 1:
        return "give either the NAME of a new token, or --revoke NAME, or --rotate NAME"
    if asked.name is None and (asked.scope or asked.tasks is not None or asked.expires is not None):
        return "--revoke goes with nothing but --conf-dir, --rotate with --overlap besides"
    if not 0 <= asked.overlap <= LONGEST * 24:
        return f"--overlap: must be a number of hours, at most {LONGEST * 24}"
    return ""


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m jobsched.token",
        description="Make a token for the HTTP interface and print it, once; or rotate or revoke one.",
        epilog="Exit status: 0 done, 1 the file cannot be changed, 2 the command line is wrong.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="whose it is: the audit shows it")
    parser.add_argument("--scope", action="append", choices=SCOPES, help="what it may do; as often as needed")
    parser.add_argument(
        "--tasks", metavar="PATTERNS", help="the tasks that are there for it, such as 'backup*, report'"
    )
    parser.add_argument("--expires", type=float, metavar="DAYS", help="it is good for so many days")
    parser.add_argument("--revoke", metavar="NAME", help="take that token out of the file")
    parser.add_argument("--rotate", metavar="NAME", help="make another token in the place of that one, and print it")
    parser.add_argument(
        "--overlap", type=float, default=24, metavar="HOURS", help="the old one is good for so long (default: 24)"
    )
    parser.add_argument("--conf-dir", default="conf", metavar="DIR", help="the folder of tokens.cfg (default: conf)")
    return parser


def add(path: Path, asked: Namespace, now: datetime) -> str:
    """Write a new section; the token. Raises BadTokens, and then nothing was written."""
    token = tokens.make()
    lines = [f"[{asked.name}]", f"scopes = {' '.join(dict.fromkeys(asked.scope or ()))}"]
    if asked.tasks is not None:
        lines.append(f"tasks = {asked.tasks}")
    if asked.expires is not None:
        if not 0 < asked.expires <= LONGEST:
            raise BadTokens(f"--expires: must be a number of days above 0, at most {LONGEST}")
        lines.append(f"expires = {(now + timedelta(days=asked.expires)).isoformat(timespec='seconds')}")
    if any("\n" in line or "\r" in line for line in lines):
        raise BadTokens("a name and patterns are one line each")
    lines.append(f"hash = {tokens.hashed(token.encode())}")
    before = tokens.read(path)
    names = [known.name for known in tokens.parse(before, path)]
    _write(path, "\n".join([*(before or HEAD).splitlines(), "", *lines, ""]), [*names, asked.name])
    return token


def revoke(path: Path, name: str) -> None:
    """Take a section out, and leave every other line as it is. Raises BadTokens."""
    before = tokens.read(path)
    names = [token.name for token in tokens.parse(before, path)]
    if name not in names:
        raise BadTokens(f"{path}: there is no [{name}]")
    lines = before.splitlines()
    begin, end = _section(lines, name)
    while end > begin + 1 and lines[end - 1].startswith(COMMENT):  # it is about what comes next
        end -= 1
    names.remove(name)
    _write(path, "\n".join([*lines[:begin], *lines[end:], ""]), names)


def rotate(path: Path, name: str, hours: float, now: datetime) -> str:
    """Give a section another hash, and keep the one before for so many hours; the token. Raises BadTokens."""
    token = tokens.make()
    before = tokens.read(path)
    known = tokens.parse(before, path)
    old = next((each for each in known if each.name == name), None)
    if old is None:
        raise BadTokens(f"{path}: there is no [{name}]")
    lines = before.splitlines()
    begin, end = _section(lines, name)
    kept = [line for line in lines[begin:end] if OF_HASH.match(line) is None]
    fresh = [f"hash = {tokens.hashed(token.encode())}"]
    if hours:
        until = now + timedelta(hours=hours)
        fresh += [f"old_hash = {old.hash}", f"old_until = {until.isoformat(timespec='seconds')}"]
    kept[1:1] = fresh
    _write(path, "\n".join([*lines[:begin], *kept, *lines[end:], ""]), [each.name for each in known])
    return token


def _section(lines: list[str], name: str) -> tuple[int, int]:
    """Where a section begins, and where the next one does."""
    begin = lines.index(f"[{name}]") if f"[{name}]" in lines else len(lines)
    return begin, next((n for n in range(begin + 1, len(lines)) if lines[n].startswith("[")), len(lines))


def _write(path: Path, text: str, names: list[str]) -> None:
    """Replace the file in one step, after `text` was parsed as a check. An existing file keeps its mode and owner."""
    if [token.name for token in tokens.parse(text, path)] != names:
        raise BadTokens(f"{path}: its sections cannot be told apart; change it by hand")
    path = path.resolve()
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)  # of one that was killed
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MADE), "w", encoding="utf-8") as file:
            if path.exists():
                old = path.stat()
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
                os.fchmod(file.fileno(), old.st_mode & 0o777)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as why:
        new.unlink(missing_ok=True)
        raise BadTokens(f"{path}: {why.strerror}") from why


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Lock the folder: two commands at once would lose a token. Raises BadTokens."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as why:
        raise BadTokens(f"{path.parent}: {why.strerror}") from why
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


if __name__ == "__main__":
    sys.exit(main())
