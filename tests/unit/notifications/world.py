"""A dispatcher in a world of its own: time and receivers are made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copyfile
from typing import Any

from sqlalchemy import select
from twisted.internet.defer import Deferred

from jobsched.events import Events
from jobsched.model.delivery import Delivery, News
from jobsched.model.draft import Draft
from jobsched.model.job import Notify, Watch
from jobsched.notifications.dispatcher import Dispatcher
from jobsched.store.sql import deliveries as rows
from jobsched.store.sql import outbox
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import deliveries
from tests.fakes import InlinePool, StillReactor
from tests.unit.scheduler.world import done

BEGUN = 1_800_000_000.0


class Sender:
    """Sends nothing; a test says what came of it."""

    def __init__(self) -> None:
        self.sent: list[tuple[Delivery, Deferred[int]]] = []

    def send(self, delivery: Delivery) -> Deferred[int]:
        sending: Deferred[int] = Deferred()
        self.sent.append((delivery, sending))
        return sending

    def open(self) -> list[str]:
        """The places to which something is under way."""
        return sorted(delivery.place.partition(".")[0] for delivery, sending in self.sent if not sending.called)

    def answer(self, place: str, status: int | Exception = 204) -> None:
        """The first that is under way there comes to its end."""
        for delivery, sending in self.sent:
            if delivery.place.startswith(f"{place}.") and not sending.called:
                sending.errback(status) if isinstance(status, Exception) else sending.callback(status)
                return
        raise AssertionError(f"nothing is under way to {place}")


class World:
    def __init__(self, folder: Path, migrated: Path, wakes: bool = True) -> None:
        copyfile(migrated, folder / "jobsched.sqlite")
        url = f"sqlite:///{folder}/jobsched.sqlite"
        self.reactor = StillReactor(BEGUN)
        self.events = Events()
        self.store = Store(self.reactor, url, InlinePool, events=self.events)  # type: ignore[arg-type]  # a fake
        self.store.startService()
        self.sender = Sender()
        self.dispatcher = Dispatcher(self.reactor, self.reactor, self.store, self.sender, lambda: 0.0)
        if wakes:
            self.events.notification_stored.subscribe(self.dispatcher.wake)
        self.log: list[str] = []

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.reactor.seconds(), UTC)

    def tell(self, *places: str, ago: timedelta = timedelta()) -> None:
        """What happened to a job each, the first of them first."""
        for number, place in enumerate(places, -len(places) + 1):
            notify = Notify(url=f"https://{place}.example/")
            draft = Draft(task="task", name="a job", every=timedelta(hours=1), watch=Watch(notify=notify))
            job = draft.job(f"job of {place}", self.now)
            instant = self.now - ago + timedelta(milliseconds=number)
            done(
                self.store.write(
                    outbox.tell_all, [News(event="overdue", job=job, run=None, reason="why", instant=instant)]
                )
            )

    def stop(self, dispatcher: Dispatcher) -> None:
        stopped = dispatcher.stopService()
        self.reactor.walk(0)
        done(stopped)

    def found(self) -> list[Delivery]:
        def every(connection: Any) -> list[Delivery]:
            return [rows.from_row(row) for row in connection.execute(select(deliveries).order_by(deliveries.c.id))]

        found: list[Delivery] = done(self.store.read(every))
        return found

    def states(self) -> list[str]:
        return sorted(each.state for each in self.found())
