"""Pages: their order, their limits, and the way to the next one."""

import re

from tests.present import present

NEXT = re.compile(r'<http://jobs\.example(/[^>]+)>; rel="next"')


def pages(front, path):
    """Every page from this one on, by its links."""
    found = []
    while path:
        answer = front.get(path)
        assert answer.status == 200
        found.append([item["id"] for item in answer.json["values"]])
        path = present(NEXT.fullmatch(answer.headers["link"]))[1] if "link" in answer.headers else None
    return found


def test_jobs_come_in_the_order_they_were_made_page_by_page(front):
    made = [front.job(name=f"job {number}").removeprefix("/jobs/") for number in range(7)]

    assert pages(front, "/jobs?limit=3") == [made[:3], made[3:6], made[6:]]
    assert pages(front, "/jobs?limit=7") == [made]
    assert pages(front, "/jobs") == [made]


def test_a_jobs_runs_come_newest_first_page_by_page(front):
    job, other = front.job(), front.job()
    runs = [front.run(job, number) for number in range(5)][::-1]
    front.run(other, 9)

    assert pages(front, f"{job}/runs?limit=2") == [runs[:2], runs[2:4], runs[4:]]
    assert pages(front, f"{job}/runs") == [runs]
    assert front.get(f"{front.job()}/runs").json == {"values": []}


def test_the_next_page_keeps_what_was_asked_for(front):
    for name in ("a & b", "a & b", "other", "a & b"):
        front.job(name=name)
    first = front.get("/jobs?name=a%20%26%20b&limit=2")

    assert len(first.json["values"]) == 2
    assert len(pages(front, "/jobs?name=a%20%26%20b&limit=2")[1]) == 1
    assert pages(front, "/jobs?name=&limit=2") == [[]]


def test_a_run_outlives_its_job_and_is_still_listed(front):
    job = front.job()
    run = front.run(job, 1)
    from tests.unit.rest.conftest import ask

    assert ask(front.site, "DELETE", job).status == 200
    assert front.get(job).problem[0] == 404
    assert pages(front, f"{job}/runs") == [[run]]
    assert front.get(f"/runs/{run}").json["state"] == "succeeded"
    answer = front.get(f"/runs/{run}/output")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/plain; charset=utf-8", b"")
