"""Sends the outbox to the receivers: a few at a time, so that a receiver that does not answer delays no other."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..batching import Batch
from ..clock import now
from ..loops import Alarm, FailureLog, Loop
from ..model.delivery import Attempt, Delivery, judged
from ..store.contract.store import Store
from .sender import NotTold

EVERY = 5.0  # seconds between looks
GATHER_WAKEUPS = 0.02  # seconds in which wake-ups are gathered into one
AGAIN = 0.5  # seconds until the next look for deliveries that another transaction had locked
MOST = 8  # attempts at once
OF_ONE = 2  # attempts at once to one place
UNPROVEN = 6  # attempts at once to places that are new or did not answer last time: the others always have room
REMEMBERED = 1000  # places that answered
UNTOLD = "the store refused what came of it; the log says more"
UNSTORED = 5.0  # seconds that a stop waits for the store to take the last results


class Sender(Protocol):
    """Makes an attempt, as `WebhookSender` does."""

    def send(self, delivery: Delivery) -> Deferred[int]: ...


class Dispatcher(Service):
    """Takes waiting deliveries from the store, and writes back the results of attempts.

    `clock`: the one that all nodes use; `everyone`: the place of the receiver for all jobs, which always counts as a
    place that answers.
    """

    name = "notifications"
    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        clock: IReactorTime,
        store: Store,
        sender: Sender,
        chance: Callable[[], float] = random.random,
        everyone: str | None = None,
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._store = store
        self._sender = sender
        self._chance = chance
        self._under_way: dict[str, Deferred[int]] = {}
        self._busy: Counter[str] = Counter()  # attempts under way, by place
        self._everyone = everyone
        self._answering: dict[str, None] = {} if everyone is None else {everyone: None}  # oldest answer first
        self._results: Batch[Attempt] = Batch(reactor, store.deliveries.settle, self._refused, keep=True)
        self._failure_log = FailureLog(self.log, reactor)
        self._loop = Loop(reactor, EVERY, self._look, "the look for notifications")
        self._wake = Alarm(reactor, self._look)
        self._looking = DeferredLock()
        self._last_look: Deferred[None] = succeed(None)

    def startService(self) -> None:
        super().startService()
        self._loop.start()

    def stopService(self) -> Deferred[None]:
        """Breaks attempts off and leaves them to the next daemon; fires when the store has recorded that."""
        super().stopService()
        self._loop.stop()
        self._wake.cancel()
        return Deferred.fromCoroutine(self._settle())

    def wake(self) -> None:
        """A new notification is in the outbox."""
        self._look_in(GATHER_WAKEUPS)

    async def _settle(self) -> None:
        await self._last_look
        for sending in list(self._under_way.values()):
            sending.cancel()
        settled = self._results.settled().addTimeout(UNSTORED, self._reactor)
        await settled.addErrback(lambda _: None)  # the leases of these deliveries will end

    def _look_in(self, seconds: float) -> None:
        if self.running:
            self._wake.within(seconds)

    def _look(self) -> Deferred[None]:
        """One look at a time; if one waits for its turn already, it will see what a further one would see."""
        if not self._looking.waiting:
            self._last_look = self._looking.run(lambda: Deferred.fromCoroutine(self._take()).addErrback(self._blind))
        return self._last_look

    async def _take(self) -> None:
        """Begin as many attempts as there is room for."""
        while self.running and len(self._under_way) < MOST:
            instant = now(self._clock)
            full = [place for place, number in self._busy.items() if number >= OF_ONE]
            room, only = self._room()
            soonest = await self._store.deliveries.soonest(full, only)
            if soonest is None or not self.running:
                break
            if soonest > instant:
                self._look_in(min((soonest - instant).total_seconds(), EVERY))
                break
            taken = await self._store.deliveries.take(instant, room, OF_ONE, dict(self._busy), only)
            for delivery in taken:
                if delivery.id in self._under_way:  # its lease ended early: the database's clock was set
                    continue
                if self.running:
                    Deferred.fromCoroutine(self._attempt(delivery))
                else:
                    self._leave(delivery)
            if not taken:
                self._look_in(AGAIN)
                break
        self._failure_log.settled()

    def _room(self) -> tuple[int, list[str] | None]:
        """For how many more attempts there is room now, and to which places they are limited; None: any place."""
        room = MOST - len(self._under_way)
        unproven = UNPROVEN - sum(number for place, number in self._busy.items() if place not in self._answering)
        return (min(room, unproven), None) if unproven > 0 else (room, list(self._answering))

    def _remember(self, place: str, answered: bool) -> None:
        if place != self._everyone:
            self._answering.pop(place, None)
            if answered:
                self._answering[place] = None
                if len(self._answering) > REMEMBERED:
                    del self._answering[next(name for name in self._answering if name != self._everyone)]

    async def _attempt(self, delivery: Delivery) -> None:
        self._busy[delivery.place] += 1
        sending = self._under_way[delivery.id] = maybeDeferred(self._sender.send, delivery)
        try:
            status = await sending
            self._remember(delivery.place, True)
            self._judge(delivery, status, None)
        except CancelledError:
            self._leave(delivery)
        except NotTold as why:
            self._remember(delivery.place, False)
            self._judge(delivery, None, str(why), why.final)
        except Exception:
            self.log.failure("a receiver could not be told of {event} of {job}", Failure(),
                             event=delivery.event, job=delivery.body["job"]["name"])  # fmt: skip
            self._judge(delivery, None, "Jobsched failed")
        finally:
            del self._under_way[delivery.id]
            self._busy[delivery.place] -= 1
            self._busy += Counter()  # forgets the places where nothing is under way
            self._look_in(0)

    def _judge(self, delivery: Delivery, status: int | None, error: str | None, final: bool = False) -> None:
        result = judged(delivery, now(self._clock), self._chance(), status=status, error=error, final=final)
        self._results.add(result)
        if result.state == "failed":
            self.log.warn(
                "{place} was not told of {event} of {job}, and will not be: {why}", why=result.error, **_words(delivery)
            )
        elif result.state == "waiting":
            self.log.info("{place} was not told of {event} of {job} yet: {why}", why=result.error, **_words(delivery))
        else:
            self.log.info("{place} was told of {event} of {job}", **_words(delivery))

    def _leave(self, delivery: Delivery) -> None:
        """Record that no attempt was made: the next may be made at once, by this daemon or another."""
        at_once = Attempt(
            id=delivery.id,
            number=delivery.attempts,
            state="waiting",
            not_before=now(self._clock),
            status=delivery.status,
            error=delivery.error,
        )
        self._results.add(at_once)

    def _refused(self, attempt: Attempt, why: Failure) -> Deferred[None]:
        """The store refused the result of an attempt: write it again without the status and words of the receiver."""
        self.log.failure("the store refused the result of attempt {number} at notification {id}", why,
                         number=attempt.number, id=attempt.id)  # fmt: skip
        return self._store.deliveries.settle([attrs.evolve(attempt, status=None, error=UNTOLD)])

    def _blind(self, why: Failure) -> None:
        self._failure_log.say(
            "notifications cannot be looked for, trying again in {seconds} s: {why}", why, seconds=EVERY
        )


def _words(delivery: Delivery) -> dict[str, str]:
    return {"place": delivery.place, "event": delivery.event, "job": delivery.body["job"]["name"]}
