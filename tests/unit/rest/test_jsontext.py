"""JSON: what goes out can be seen and says the same; a name that comes twice in one object is refused."""

import json
import time

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsched.http.jsontext import duplicate, encoded
from jobsched.model.printable import printable
from jobsched.store.sql import jobs
from tests.unit.rest.conftest import EXAMPLE, ask

JOB = '"task": "example", "name": "a job"'


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("{}", None),
        ('{"a": 1, "b": {"a": 1}, "c": [{"a": 1}, {"a": 1}]}', None),
        ('{"a": 1, "a": 1}', "/a"),
        (r'{"a": 1, "\u0061": 2}', "/a"),
        ('{"a/b": 1, "a/b": 2}', "/a~1b"),
        ('{"": 1, "": 2}', "/"),
        ('{"x": {"y": {"a": 1, "b": 2, "a": 3}}}', "/x/y/a"),
        ('{"x": [0, {"a": 1, "a": 2}]}', "/x/1/a"),
        ('{"x": {"a": 1, "a": 2}, "x": {}}', "/x"),
        ('{"x": {}, "x": {"a": 1, "a": 2}}', "/x"),
        ('{"\u00e9": 1, "e\u0301": 2}', None),  # they look alike, and are two
        ('{"a": 1' + "0" * 5000 + ', "a": -1e999}', "/a"),
    ],
)
def test_the_pointer_leads_to_what_is_there_twice(text, pointer):
    assert duplicate(text.encode()) == pointer


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(NESTED)
def test_what_json_writes_has_none(value):
    assert duplicate(json.dumps(value).encode()) is None
    assert duplicate(json.dumps([value, {"a": [value]}], ensure_ascii=False).encode()) is None


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(), NESTED)), st.lists(st.text(min_size=1)))
def test_any_name_that_is_there_twice_is_found_however_deep(pairs, way):
    body = "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs) + "}"
    names = [name for name, _ in pairs]
    for name in way:
        body = f"[{{{json.dumps(name)}: {body}}}]"
    assert (duplicate(body.encode()) is not None) == (len(set(names)) < len(names))


@pytest.mark.parametrize(
    ("method", "body", "pointer"),
    [
        ("POST", f'{{{JOB}, "interval": {{"seconds": 1}}, "name": "b"}}', "/name"),
        ("POST", f'{{{JOB}, "interval": {{"seconds": 1, "seconds": 2}}}}', "/interval/seconds"),
        ("POST", f'{{{JOB}, "interval": {{"seconds": 1}}, "parameters": {{"a": 1, "a": 1}}}}', "/parameters/a"),
        ("POST", f'{{{JOB}, "interval": {{"seconds": 1}}, "require": {{"a": "1", "a": "2"}}}}', "/require/a"),
        ("PATCH", '{"name": "a", "name": "b"}', "/name"),
        ("PATCH", '{"parameters": {"a": null, "a": "x"}}', "/parameters/a"),
        ("PATCH", '{"notify": {"on": [], "on": []}}', "/notify/on"),
        ("PREVIEW", '{"cron": "@daily", "cron": "@daily"}', "/cron"),
    ],
)
def test_every_body_is_looked_at_and_nothing_is_changed(front, method, body, pointer):
    job = front.job()
    before = front.get("/jobs").json
    if method == "PATCH":
        answer = ask(front.site, "PATCH", job, body.encode(), content_type="application/json")
    else:
        answer = front.post(body.encode(), "/preview" if method == "PREVIEW" else "/jobs")
    assert answer.problem == (400, "is given twice", [pointer])
    assert front.get("/jobs").json == before


@pytest.mark.usefixtures("untraced")
def test_a_body_as_large_as_may_be_costs_little(front):
    names = ", ".join(f'"k{number}": "{"x" * 8}"' for number in range(45_000))
    body = json.dumps(EXAMPLE)[:-1] + f', "parameters": {{{names}}}}}'
    assert 900_000 < len(body) < 1_048_576
    begun = time.process_time()
    assert duplicate(body.encode()) is None
    assert time.process_time() - begun < 1  # some 30 ms


@pytest.mark.slow
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_what_goes_out_can_be_looked_at_and_says_the_same(value):
    data = encoded(value)
    assert json.loads(data) == value
    assert printable(data.decode().replace("\x7f", ""))


def test_an_old_name_is_shown_escaped(front):
    path = front.job()
    job = front.store.read(jobs.get, path.rpartition("/")[2]).result
    front.store.write(jobs.put, attrs.evolve(job, name="a\x9b2J\u202eb"))
    answer = front.get(path)
    assert rb'"name":"a\u009b2J\u202eb"' in answer.body
    assert answer.json["name"] == "a\x9b2J\u202eb"
    refused = front.get("/runs?%C2%9B=1")
    assert refused.problem == (400, "\x9b is not known here", ["?\x9b"])
    assert rb"?\u009b" in refused.body
