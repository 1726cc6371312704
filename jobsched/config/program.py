"""Why a file cannot be started as a program: found out before it is tried, or after that has failed."""

from __future__ import annotations

import os
import re
import stat

LONGEST = 256  # bytes of a #! line, as the kernel reads it
BLANKS = re.compile(rb"[ \t]+")  # a carriage return does not count as a blank
SAVE = "its #! line ends with a carriage return (CRLF); save it with LF at the ends of its lines"


def fault(path: str) -> str | None:
    """Why this file cannot be started, in words; None: nothing wrong can be seen."""
    if (why := unusable(path)) is not None:
        return why
    line = first_line(path)
    words = [word for word in BLANKS.split(line[2:].strip(b" \t"), maxsplit=1) if word]
    if not words or os.access(words[0], os.X_OK):
        return SAVE if _asks_env_in_vain(words) else None
    return SAVE if words[0].endswith(b"\r") else "the interpreter of its #! line is missing"


def unusable(path: str) -> str | None:
    """Why there is nothing that could be started at all; None: there is."""
    if not os.path.exists(path):
        if os.path.islink(path):
            return f"it is a link to {os.path.realpath(path)}, which is not there"
        return "no such program"
    if not os.path.isfile(path):
        return "it is a folder" if os.path.isdir(path) else "it is no plain file"
    return None if os.access(path, os.X_OK) else "it is not executable"


def carriage_return(path: str) -> str:
    """What to do if the #! line of a script that failed early ends with a carriage return; "": it does not."""
    return SAVE if first_line(path).endswith(b"\r") else ""


def first_line(path: str) -> bytes:
    """The #! line of a script, without its end; b"": it has none, or cannot be read."""
    text = _begin(path)
    return text.partition(b"\n")[0] if text.startswith(b"#!") else b""


def is_binary(path: str) -> bool:
    """Whether a file without a #! line is no text either: a shell would take its bytes for commands."""
    return b"\0" in _begin(path).partition(b"\n")[0]


def _begin(path: str) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(file, LONGEST) if stat.S_ISREG(os.fstat(file).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(file)


def _asks_env_in_vain(words: list[bytes]) -> bool:
    """Whether it is `#!/usr/bin/env python3` and a carriage return, which `env` takes for a part of the name."""
    if len(words) < 2 or os.path.basename(words[0]) != b"env":
        return False
    return words[1].endswith(b"\r") and not words[1].startswith(b"-")
