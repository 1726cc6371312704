"""One transaction under way, as the functions of this package are handed it."""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy import Connection, Row, Select

from ...model.run import Run

Query: TypeAlias = Select[*tuple[object, ...]]  # for columns of any number and type
TableRow: TypeAlias = Row[*tuple[object, ...]]  # what such a query finds; its columns are read by name


class Transaction:
    """What can be done in it, what it goes by, and what it brings with it for those who hear of it after the commit.

    `everyone` is where the receiver of notifications for all jobs is, if there is one. `ended` fills with the runs that
    get their outcome, `notified` becomes true when a notification is written.
    """

    __slots__ = ("connection", "dialect", "ended", "everyone", "execute", "notified")

    def __init__(self, connection: Connection, everyone: str | None = None) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.dialect = connection.dialect
        self.everyone = everyone
        self.ended: list[Run] = []
        self.notified = False

    def will_notify(self) -> None:
        """A notification is written with it."""
        self.notified = True
