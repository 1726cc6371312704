"""Pages of lists: each within its room, all of them together the whole list, and all under way within a limit."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from jobsched.http import pages as page
from jobsched.http.jsontext import encoded
from jobsched.http.pages import ALL, LEAST, ONE, Pages, _text
from jobsched.http.route import Route
from jobsched.http.site import site
from jobsched.model.page import ROW, Page, cut
from tests.present import present
from tests.unit.rest.conftest import Reactor, ask
from tests.unit.rest.test_lists import NEXT

TEXTS = st.lists(st.text(max_size=30), max_size=20)


@given(TEXTS, st.integers(1, 200))
def test_all_pages_together_are_the_list_whatever_room_there_is(texts, room):
    left, seen = list(texts), list[str]()
    while left or not seen:
        data, count = _text(Page(left, False), room, lambda text: text, lambda _: b"")
        found = json.loads(data.getvalue())["values"]
        assert found == left[:count]
        assert count <= 1 or len(data.getvalue()) <= room + len(b",]}")
        assert count >= 1 or not left
        seen, left = seen + found, left[count:]
        if not left:
            break
    assert seen == texts


@given(st.lists(st.integers(0, 1000), max_size=20), st.integers(1, 5), st.integers(1, 5000))
def test_what_the_store_finds_is_cut_by_weight_and_by_number(weights, limit, room):
    ids, more = cut([(str(n), weight) for n, weight in enumerate(weights)], limit, room)
    assert ids == [str(n) for n in range(len(ids))]
    assert len(ids) <= limit
    assert more == (len(ids) < len(weights))
    assert len(ids) <= 1 or sum(weights[: len(ids)]) + ROW * len(ids) <= room
    assert ids or not weights
    if more and len(ids) < limit:
        assert sum(weights[: len(ids) + 1]) + ROW * (len(ids) + 1) > room


def test_the_more_is_under_way_the_less_the_next_may_have():
    pages = Pages()
    assert pages.room == ONE
    given_ = []
    for _ in range(256):
        given_.append(pages.room)
        pages._held += pages.room
    assert given_[:6] == [ONE] * 6
    assert given_ == sorted(given_, reverse=True)
    assert given_[-1] == LEAST
    assert pages._held <= ALL + 256 * LEAST
    assert sum(given_[:8]) < 32 * 1024 * 1024


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(page, "ONE", 100)
    monkeypatch.setattr(page, "LEAST", 100)


def lists(records):
    """A site that serves a list, five at a time."""
    pages = Pages()

    async def answer(request):
        async def found(room):
            begin = int((request.args.get(b"after") or [b"-1"])[0]) + 1
            return Page.of(records[begin : begin + 6], 5)

        return await pages.answer(request, 5, found, lambda record: record, lambda record: str(records.index(record)))

    return site([Route("GET", "/list", answer, "")], Reactor())


def test_a_page_too_large_ends_earlier_and_its_link_leads_on(small):
    records = [f"{n} " + "x" * size for n, size in enumerate([30, 30, 30, 30, 500, 1, 1, 1, 1, 1, 1, 90])]
    path: str | None = "/list?a=b"
    served, seen, lengths = lists(records), [], []
    while path:
        answer = ask(served, "GET", path)
        values = answer.json["values"]
        assert answer.headers["content-length"] == str(len(answer.body))
        seen += values
        lengths.append(len(values))
        path = present(NEXT.fullmatch(answer.headers["link"]))[1] if "link" in answer.headers else None
        assert path is None or "a=b" in path
    assert seen == records
    assert lengths == [2, 2, 1, 5, 1, 1]


def test_an_answer_to_head_has_its_length_and_no_body():
    answer = ask(lists(["x" * 100_000]), "HEAD", "/list")
    assert answer.headers["content-length"] == str(len(encoded({"values": ["x" * 100_000]})))
    assert answer.body == b""


def test_a_client_that_goes_in_the_midst_is_no_fault_of_ours():
    served = lists(["x" * 100_000])
    channel, transport = served.buildProtocol(None), StringTransport()
    channel.makeConnection(transport)
    with capturedLogs() as logs:
        channel.dataReceived(b"GET /list HTTP/1.1\r\nHost: h\r\n\r\n")
        assert channel.requests
        present(transport.producer).stopProducing()  # as a socket does that has been closed
        channel.connectionLost(Failure(ConnectionResetError()))
    assert [event["log_format"] for event in logs if "log_failure" in event] == []
