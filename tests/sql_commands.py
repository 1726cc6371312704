"""The commands of `store.commands` as functions of a transaction in SQL, for tests that are in the midst of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from jobsched.store import commands
from jobsched.store.sql import ordering
from jobsched.store.sql.transaction import Transaction

P = ParamSpec("P")
T = TypeVar("T")


def _in_sql(
    command: Callable[Concatenate[ordering.Records, P], T],
) -> Callable[Concatenate[Transaction, P], T]:  # fmt: skip
    def given(transaction: Transaction, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return command(ordering.Records(transaction), *args, **kwargs)

    return given


add = _in_sql(commands.add)
change = _in_sql(commands.change)
pause = _in_sql(commands.pause)
resume = _in_sql(commands.resume)
remove = _in_sql(commands.remove)
run_now = _in_sql(commands.run_now)
held = _in_sql(commands.held)
