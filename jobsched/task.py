"""What a task is told about its run, and what a script task answers.

For task authors; stdlib only, because every child process pays for this import: hence no dataclass.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as `typing` has it, without its import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any


class _Record:
    """Its fields are set once, by `__init__` through `vars(self)`; it compares, pickles and prints by these fields."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # there are dicts in it

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class Info(_Record):
    """The run that a task was called for: `__call__(self, info)`, `command(self, info)`."""

    job_id: str
    timeout: float | None  # seconds until the run is ended; None: no end is set
    run_id: str
    name: str  # of the job
    due: datetime  # aware
    attempt: int  # 1, and one more for each retry
    parameters: dict[str, Any]  # the values that the job set; the catalog allows their names

    def __init__(
        self,
        job_id: str,
        timeout: float | None,
        run_id: str,
        name: str,
        due: datetime,
        attempt: int = 1,
        parameters: Mapping[str, object] | None = None,
    ) -> None:
        if due.tzinfo is None:
            raise ValueError(f"due must carry its zone: {due}")
        vars(self).update(
            job_id=job_id,
            timeout=timeout,
            run_id=run_id,
            name=name,
            due=due,
            attempt=attempt,
            parameters=dict(parameters or {}),
        )


class Command(_Record):
    """A program to run: no shell is put in between, so no word of it needs quoting."""

    argv: tuple[str, ...]
    env: dict[str, str]  # added to the variables that every run is given
    directory: str | None  # where the program runs; None: where the daemon runs

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(argv, (list, tuple)):
            raise TypeError(f"argv must be a list of words, not {type(argv).__name__}")
        if not argv or argv[0] == "":
            raise ValueError("argv must begin with a program")
        vars(self).update(
            argv=tuple(_word("argv", word) for word in argv),
            env={_name(name): _word(f"env {name}", value) for name, value in (env or {}).items()},
            directory=None if directory is None else _word("directory", os.fspath(directory)),
        )


def _word(where: str, text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{where}: must be text, not {type(text).__name__}")  # its value may be secret
    if "\0" in text:
        raise ValueError(f"{where}: holds a NUL character")
    return text


def _name(name: object) -> str:
    text = _word("env", name)
    if not text or "=" in text:
        raise ValueError(f"env: no name for a variable: {text!r}")
    return text
