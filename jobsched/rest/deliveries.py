"""/runs/ID/deliveries, /jobs/ID/deliveries: who was told, and who is still to be."""

from __future__ import annotations

from twisted.web.http import Request

from ..model.delivery import Delivery
from ..registry import Registry
from .convert import given
from .delivery import Deliveries as DeliveriesOut
from .delivery import DeliveryPage, delivery_out
from .location import link_next
from .route import Route, caller, json, query


class Deliveries:
    """The calls on notifications."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/jobs/<job_id>/deliveries", self.of_job, "What was told of a job, newest first",
                  asks=DeliveryPage, gives={200: DeliveriesOut}, refuses=(400, 404)),
            Route("GET", "/runs/<run_id>/deliveries", self.of_run, "What was told of a run, newest first",
                  asks=DeliveryPage, gives={200: DeliveriesOut}, refuses=(400, 404)),
        ]  # fmt: skip

    async def of_job(self, request: Request, job_id: str) -> bytes:
        """200: up to `limit` notifications older than `after`."""
        asked = query(request, DeliveryPage)
        door = self._registry.seen_by(caller(request))
        return _page(request, asked, await door.job_deliveries(job_id, asked.limit + 1, given(asked.after, None)))

    async def of_run(self, request: Request, run_id: str) -> bytes:
        """200: the same of one run."""
        asked = query(request, DeliveryPage)
        door = self._registry.seen_by(caller(request))
        return _page(request, asked, await door.run_deliveries(run_id, asked.limit + 1, given(asked.after, None)))


def _page(request: Request, asked: DeliveryPage, found: list[Delivery]) -> bytes:
    link_next(request, found, asked.limit, lambda delivery: delivery.id)
    return json(request, DeliveriesOut(values=[delivery_out(delivery) for delivery in found[: asked.limit]]))
