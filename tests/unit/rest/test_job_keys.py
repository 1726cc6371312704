"""Keys in addresses: however many come at once, the store is asked for one after the other."""

from types import SimpleNamespace

from twisted.internet.defer import Deferred

from jobsched.http.site import site
from jobsched.model.caller import NOBODY
from jobsched.model.errors import Unauthorized
from jobsched.rest.job_keys import JobKeys
from jobsched.threads import WAITING
from tests.unit.rest.conftest import Reactor
from tests.unit.rest.served import Client, Wire

ASKED = b"GET /jobs/a/badge.svg?key=x HTTP/1.1\r\nHost: h\r\n\r\n"


def refuse(_request, right):
    assert not right
    raise Unauthorized("no")


def test_a_flood_of_keys_takes_one_thread_and_no_more():
    looks: list[Deferred[bool]] = []

    async def opened_by(_job_id, _key):
        looks.append(Deferred())
        return await looks[-1]

    keys = JobKeys(SimpleNamespace(opened_by=opened_by), None, refuse)  # type: ignore[arg-type]  # fakes
    served = site(keys.routes(), Reactor(), admit=lambda _request, _need: NOBODY)
    clients = []
    for _ in range(1 + WAITING + 2):
        clients.append(Client(served.buildProtocol(None), Wire()))
        clients[-1].channel.makeConnection(clients[-1].wire)
        clients[-1].send(ASKED)
    assert len(looks) == 1
    assert [client.heard[9:12] for client in clients] == [b""] * (1 + WAITING) + [b"503"] * 2
    for number in range(1 + WAITING):
        assert len(looks) == 1 + number
        looks[number].callback(False)
    assert {client.heard[9:12] for client in clients[: 1 + WAITING]} == {b"401"}
    for client in clients:
        client.go()
