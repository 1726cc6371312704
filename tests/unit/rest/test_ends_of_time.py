"""The first and the last instant that there are: lists up to them are refused or answered."""

import pytest

FIRST, LAST = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"
TIMES = (FIRST, LAST, "0001-01-01", "9999-12-31", "-9999999d", "0001-01-01T00:00", "9999-12-31T23:59")
ASKED = ("/runs", "/runs/counts", "/audit", "{job}/runs")


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("edge", TIMES)
def test_lists_from_and_to_the_ends(front, path, edge):
    job = front.job()
    front.run(job)
    whole = path.format(job=job)

    for query in (f"from={edge}", f"to={edge}", f"from={edge}&to={edge}", f"from={FIRST}&to={LAST}"):
        for zone in ("", "&zone=Pacific/Kiritimati", "&zone=America/New_York"):
            assert front.get(f"{whole}?{query}{zone}").status in {200, 400}, (whole, query, zone)


def test_runs_between_the_ends_are_all(front):
    run = front.run(front.job())

    for query in (f"from={FIRST}", f"to={LAST}", f"from={FIRST}&to={LAST}"):
        assert [found["id"] for found in front.get(f"/runs?{query}").json["values"]] == [run], query
