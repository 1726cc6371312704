"""Who asks, what he may do, and which tasks are there for him."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Literal, get_args

import attrs

from .errors import Forbidden
from .printable import printable

Scope = Literal["read", "run", "write", "admin"]
Need = Literal["open", Scope]  # what a call asks for; open: nothing, of nobody
SCOPES: tuple[Scope, ...] = get_args(Scope)
NEEDS: tuple[Need, ...] = ("open", *SCOPES)

PATTERN = re.compile(r"[^\[\]]{1,255}")  # with * and ? for any text and any character: every database knows these two


def is_pattern(text: str) -> bool:
    """Whether `text` can name tasks."""
    return PATTERN.fullmatch(text) is not None and printable(text)


def is_among(task: str, patterns: tuple[str, ...] | None) -> bool:
    """Whether one of the patterns is of this task; None is of all. `store/sql/visibility.py` says the same in SQL."""
    return patterns is None or any(fnmatchcase(task, pattern) for pattern in patterns)


@attrs.frozen(kw_only=True)
class Caller:
    """Somebody who was let in; `name` is None for one who did not have to say who he is.

    Each scope stands alone, but for `admin`, which holds them all. `tasks` are patterns; None: all tasks.
    """

    name: str | None = None
    scopes: frozenset[Scope] = frozenset(SCOPES)
    tasks: tuple[str, ...] | None = None
    address: str = ""  # where the request came from: an IP address, or "unix"

    def may(self, scope: Scope) -> bool:
        """Whether the scope is his."""
        return scope in self.scopes or "admin" in self.scopes

    def must(self, scope: Scope) -> None:
        """Raises Forbidden, naming the scope that is missing."""
        if not self.may(scope):
            raise Forbidden(f"this needs the scope {scope!r}, which the token {self.name!r} does not have")

    def sees(self, task: str) -> bool:
        """Whether a task is there for him, and with it its jobs and runs."""
        return is_among(task, self.tasks)


ANYBODY = Caller()  # where no tokens are asked for
NOBODY = Caller(scopes=frozenset(), tasks=())  # who need not say who he is, for all that is open
