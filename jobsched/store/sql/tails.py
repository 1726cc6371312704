"""The end of what runs printed, kept in the store for when the node that has the whole cannot be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import BindParameter, bindparam, delete, insert, select

from ...model.ids import Ids
from ...model.run import Run, Tail
from . import runs as run_rows
from .tables import runs, tails
from .transaction import Transaction

# Asked with each batch of outcomes, so they are built once: to build a question takes longer than to ask it.
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_KNOWN = select(runs.c.id).where(runs.c.id.in_(_IDS)).with_for_update()
_FORGET = delete(tails).where(tails.c.run_id.in_(_IDS))
_ADD = insert(tails)


def record(
    transaction: Transaction, executed: Sequence[Run], ids: Ids, chance: Callable[[], float],
    read: Callable[[str], Tail | None],
) -> bool:  # fmt: skip
    """`runs.record`. In the same transaction, the tails of the runs that have ended are kept, as `read` finds them."""
    ends = [tail for run in executed if not run.active and (tail := read(run.id)) is not None]
    again = run_rows.record(transaction, executed, ids, chance)
    save(transaction, ends)
    return again


def save(transaction: Transaction, new: Iterable[Tail]) -> None:
    """Keep the tails of runs, in place of older ones. No tail is kept of a run that was forgotten."""
    found = {tail.run_id: tail for tail in new}
    if not found:
        return
    known = transaction.execute(_KNOWN, {"ids": list(found)}).scalars()
    rows = [_row(found[run_id]) for run_id in known]  # the runs are held: they are not forgotten meanwhile
    if rows:
        forget(transaction, list(found))
        transaction.execute(_ADD, rows)


def _row(tail: Tail) -> dict[str, object]:
    return {"run_id": tail.run_id, "start": tail.start, "data": tail.data}


def get(transaction: Transaction, run_id: str) -> Tail | None:
    """The tail of a run, if there is one."""
    row = transaction.execute(select(tails).where(tails.c.run_id == run_id)).one_or_none()
    return None if row is None else Tail(**row._mapping)


def forget(transaction: Transaction, run_ids: Sequence[str]) -> None:
    """Drop the tails of runs."""
    transaction.execute(_FORGET, {"ids": list(run_ids)})
