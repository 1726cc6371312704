"""The lease, as a daemon that knows of 10 s alone finds it in the rows."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobsched.store.sql.tables import nodes
from tests.store.samples import at
from tests.store.sql.desk import SqlDesk
from tests.store.test_lease import Nodes

pytestmark = pytest.mark.usefixtures("told_time")


def late_to_strangers(desk: SqlDesk, when: float) -> set[str]:
    """Those that a daemon of the release before would take for dead, but for itself: 10 s are all that it knows."""
    late = (nodes.c.state == "alive") & (nodes.c.seen < at(when - 10)) & (nodes.c.name != "old")
    return set(desk.read(lambda transaction: transaction.execute(select(nodes.c.name).where(late)).scalars()))


def test_a_node_come_back_buries_nobody_before_it_is_heard_of(desk: SqlDesk) -> None:
    """It was frozen, and taken for dead. Nobody can ask it to wait: what it looks at has to tell it."""
    group = Nodes(desk)
    group.start("a", 30)
    group.beat("a", 30, 100)
    group.stranger("old", when=100.1)  # at the very moment at which the others lose the database
    assert late_to_strangers(desk, 130) == set()
    assert late_to_strangers(desk, 130.1) == {"a"}
    assert group.told("a", 30, 102) == 10
    group.beat("a", 10, 104)  # from which it counts on 10 s, and gives up 7 s later
    assert late_to_strangers(desk, 114) == set()
    assert late_to_strangers(desk, 114.1) == {"a"}
