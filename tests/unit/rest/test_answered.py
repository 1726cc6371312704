"""What the site tells of its answers, for those who count them: by route, never by path."""

from tests.unit.rest.served import POST, ServedSite


def test_each_answer_is_told_by_its_route():
    served = ServedSite(connections=8)
    told = []
    served.site.events.request_answered.subscribe(lambda *what: told.append(what))
    for request in ("GET /quick", "HEAD /quick", "GET /quick?a=1", "GET /no/such", "DELETE /quick", "POST http://x/"):
        served.client().send(f"{request} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    served.client().send(b"nonsense\r\n\r\n")
    served.client().send(POST + b"Content-Length: 99999999\r\n\r\n")
    served.client()  # one too many

    assert [what[:3] for what in told] == [
        ("GET", "/quick", 200),
        ("GET", "/quick", 200),
        ("GET", "/quick", 200),
        ("other", "other", 404),
        ("other", "other", 405),
        ("other", "other", 400),
        ("other", "other", 400),
        ("other", "other", 413),
        ("other", "other", 503),
    ]
    assert all(0 <= what[3] < 60 for what in told)
