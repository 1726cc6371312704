"""The caller of the API: what a caller may do, and which tasks a caller may see."""

from __future__ import annotations

import re
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal, get_args

import attrs

from .errors import Forbidden
from .printable import printable

Scope = Literal["read", "run", "write", "admin"]
# What a call requires. open: no scope, and no token; token: one, whatever its scopes; any: a token, then it asks;
# key: a token that reads, or a key in the address, which the call looks at
Need = Literal["open", "token", "any", "key", Scope]
SCOPES: tuple[Scope, ...] = get_args(Scope)
NEEDS: tuple[Need, ...] = ("open", "token", "any", "key", *SCOPES)

PATTERN = re.compile(r"[^\[\]]{1,255}")  # with * and ? for any text and any character: every database knows these two


def is_pattern(text: str) -> bool:
    """Whether `text` can name tasks."""
    return PATTERN.fullmatch(text) is not None and printable(text)


def is_among(task: str, patterns: tuple[str, ...] | None) -> bool:
    """Whether one of the patterns matches this task; None matches all. `store/sql/visibility.py` is the same in SQL."""
    return patterns is None or any(fnmatchcase(task, pattern) for pattern in patterns)


@attrs.frozen(kw_only=True)
class Caller:
    """A caller that was let in; `name` is that of the token, None where no token was needed.

    No scope includes another, except `admin`, which includes all. `tasks` are patterns; None: all tasks.
    """

    name: str | None = None
    scopes: frozenset[Scope] = frozenset(SCOPES)
    tasks: tuple[str, ...] | None = None
    expires: datetime | None = None  # of the token; None: it does not expire
    address: str = ""  # where the request came from: an IP address, or "unix"

    def may(self, scope: Scope) -> bool:
        """Whether the caller has the scope."""
        return scope in self.scopes or "admin" in self.scopes

    def must(self, scope: Scope) -> None:
        """Raises Forbidden, naming the scope that is missing."""
        if not self.may(scope):
            raise Forbidden(f"this needs the scope {scope!r}, which the token {self.name!r} does not have")

    def sees(self, task: str) -> bool:
        """Whether the caller may see a task, and with it the jobs and runs of the task."""
        return is_among(task, self.tasks)


ANYBODY = Caller()  # every caller, where no token is needed
NOBODY = Caller(scopes=frozenset(), tasks=())  # a caller without a valid token, for calls that are open
