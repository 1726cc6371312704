"""Which server a command asks, and with which token: options, the environment, and contexts in config.toml."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from .errors import NotAllowed, NotThere, Usage

USUAL: Final = "http://localhost:58631"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
FIELDS: Final = {"server": str, "token_file": str, "careful": bool, "ca": str}
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_CURRENT: Final = re.compile(r"^current\s*=.*$", re.MULTILINE)


@dataclass(frozen=True)
class Server:
    """Where to ask, and how."""

    url: str = USUAL
    token: str = ""
    context: str = ""
    careful: bool = False  # writes are announced in red
    ca: str = ""  # a file of certificates to trust, beside the system's


@dataclass(frozen=True)
class Contexts:
    """What config.toml says."""

    path: Path
    current: str
    known: Mapping[str, Mapping[str, object]]

    def get(self, name: str) -> Mapping[str, object]:
        """Raises NotThere."""
        if name not in self.known:
            raise NotThere(f'no context "{name}" in {self.path}; it has {", ".join(self.known) or "none"}')
        return self.known[name]


def path() -> Path:
    """Where contexts are kept."""
    import platformdirs

    return platformdirs.user_config_path("jobsched") / "config.toml"


def load() -> Contexts:
    """The contexts of this user; none where there is no file. Raises Usage, in one line."""
    file = path()
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return Contexts(file, "", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as why:
        raise Usage(f"{file}: {why}") from why
    known = found.get("contexts", {})
    if not isinstance(known, dict):
        raise Usage(f"{file}: contexts: must be tables such as [contexts.production]")
    for name, context in known.items():
        _check(file, name, context)
    current = str(found.get("current", ""))
    if current and current not in known:
        raise Usage(f'{file}: current: there is no context "{current}"')
    return Contexts(file, current, known)


def _check(file: Path, name: str, context: object) -> None:
    place = f"{file}: [contexts.{name}]"
    if not isinstance(context, dict) or not isinstance(context.get("server"), str):
        raise Usage(f"{place} needs server, such as {json.dumps(USUAL)}")
    for field, value in context.items():
        if field == "token":
            raise Usage(f"{place} token: a token does not belong here; put it into a file of its own: token_file")
        if field not in FIELDS:
            raise Usage(f"{place} {field}: unknown; there are {', '.join(FIELDS)}")
        if not isinstance(value, FIELDS[field]):
            raise Usage(f"{place} {field}: must be {'true or false' if FIELDS[field] is bool else 'a text'}")


def choose(server: str | None, context: str | None, environment: Mapping[str, str]) -> Server:
    """The server that is meant: --server, --context, JOBSCHED_URL, the current context, this host; in that order.

    The token of a context goes to the server of that context alone.
    """
    token = _token(environment)
    url = server or (environment.get("JOBSCHED_URL", "") if context is None else "")
    if url:
        return Server(url=checked(url), token=token)
    contexts = load()
    name = context or contexts.current
    if not name:
        return Server(token=token)
    found = contexts.get(name)
    file = str(found.get("token_file", ""))
    return Server(
        url=checked(str(found["server"])),
        token=token or (read_token(contexts.path.parent / Path(file).expanduser()) if file else ""),
        context=name,
        careful=bool(found.get("careful")),
        ca=str(found.get("ca", "")),
    )


def _token(environment: Mapping[str, str]) -> str:
    if token := environment.get("JOBSCHED_TOKEN", ""):
        return fit(token, "JOBSCHED_TOKEN")
    file = environment.get("JOBSCHED_TOKEN_FILE", "")
    return read_token(Path(file)) if file else ""


def read_token(file: Path) -> str:
    """The token in a file that nobody else can read. Raises NotAllowed, NotThere."""
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise NotAllowed(f"{file}: is not a file")
            if mode & OTHERS:
                raise NotAllowed(
                    f"{file}: its mode is {stat.S_IMODE(mode):04o}: others can read the token; chmod it to 0600"
                )
            return fit(opened.read(4096).decode("ascii", "replace").strip(), str(file))
    except OSError as why:
        raise NotThere(f"{file}: {why.strerror}") from why


def fit(token: str, place: str) -> str:
    """A token, if it can stand in a header. Raises Usage, without showing the token."""
    if re.fullmatch(r"[\x21-\x7e]+", token) is None:
        raise Usage(f"{place}: is no token: one line of printable ASCII without blanks")
    return token


def checked(url: str) -> str:
    """An address of a server, without what it must not have. Raises Usage."""
    if url.startswith("unix:"):
        return url
    if re.fullmatch(r"[\w.-]+(:\d+)?", url, re.ASCII):
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        wrong = True
    if wrong or parts.query or parts.fragment:
        raise Usage(
            "a server is an address such as http://localhost:58631, https://host/path or unix:/run/jobsched.sock"
        )
    if parts.username or parts.password:
        raise Usage("a server has no user and no password in its address; a token goes into JOBSCHED_TOKEN_FILE")
    return url.rstrip("/")


def use(name: str) -> Path:
    """Make a context the current one, and leave every other line of the file as it is."""
    contexts = load()
    contexts.get(name)
    text = contexts.path.read_text("utf-8")
    line = f"current = {json.dumps(name)}"
    write(contexts.path, _CURRENT.sub(line, text, count=1) if contexts.current else f"{line}\n{text}")
    return contexts.path


def add(name: str, fields: Mapping[str, object]) -> Path:
    """Write a new context behind the others; the first one becomes the current one."""
    contexts = load()
    if NAME.fullmatch(name) is None:
        raise Usage("the name of a context is letters, digits, _ and -")
    if name in contexts.known:
        raise Usage(f'{contexts.path}: there is a context "{name}" already')
    lines = [f"[contexts.{name}]", *(f"{field} = {json.dumps(value)}" for field, value in fields.items())]
    text = contexts.path.read_text("utf-8").rstrip("\n") + "\n\n" if contexts.path.exists() else ""
    if not contexts.known:
        text = f"current = {json.dumps(name)}\n\n{text}"
    write(contexts.path, text + "\n".join(lines) + "\n")
    return contexts.path


def write(file: Path, text: str) -> None:
    """Replace the file in one step, after `text` was read as a check."""
    tomllib.loads(text)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    new.write_text(text, "utf-8")
    new.replace(file)
