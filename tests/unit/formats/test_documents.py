"""JSON, TOML and YAML: where the jobs of a document are, and what is refused of it, place by place."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from jobsched.formats import BadJobs, Unsayable, media_type, read, write, yaml_values
from jobsched.formats.findings import MOST_FAULTS
from jobsched.formats.kinds import Kind

from .reading import found, jobs, refusals

A: dict[str, Any] = {"id": "a", "task": "t", "cron": "@daily"}

SHAPES: list[tuple[Kind, str | bytes]] = [
    ("json", json.dumps([A])),
    ("json", json.dumps({"jobs": [A]})),
    ("json", json.dumps({"values": [A], "withheld": [{"id": "a", "pointers": ["/parameters/x"]}]})),
    ("json", b"\xef\xbb\xbf" + json.dumps([A]).encode()),
    ("toml", '[[jobs]]\nid = "a"\ntask = "t"\ncron = "@daily"'),
    ("toml", 'jobs = [{id = "a", task = "t", cron = "@daily"}]'),
    ("yaml", 'jobs:\n- id: a\n  task: t\n  cron: "@daily"'),
    ("yaml", '- {id: a, task: t, cron: "@daily"}'),
    ("yaml", '---\nid: a\ntask: t\ncron: "@daily"\n---\n'),
    ("yaml", "id: a\r\ntask: t\r\ncron: '@daily'\r\n"),
    ("yaml", json.dumps({"jobs": [A]})),
]


@pytest.mark.parametrize(("kind", "text"), SHAPES)
def test_a_document(kind: Kind, text: str | bytes) -> None:
    assert jobs(kind, text) == [A]


BAD: list[tuple[Kind, str | bytes, str, str]] = [
    ("json", "{", "line 1", "it is not JSON"),
    ("json", "3", "", "jobs are a list"),
    ("json", "{}", "", "jobs are a list"),
    ("json", '{"jobs": 3}', "/jobs", "jobs are a list"),
    ("json", '{"jobs": [], "values": []}', "", "jobs and values are the same"),
    ("json", '{"jobs": [], "job": []}', "/job", 'did you mean "jobs"'),
    ("json", "[3]", "/0", "a job is an object"),
    ("json", '{"jobs": [{"task": "t"}]}', "/jobs/0/id", "id is missing"),
    ("json", '{"jobs": [{"id": 3}]}', "/jobs/0/id", "id is text"),
    ("json", '{"jobs": [{"id": "A"}]}', "/jobs/0/id", "an id is a word"),
    ("json", '{"jobs": [{"id": "a"}, {"id": "a"}]}', "/jobs/1", "at /jobs/0 and at /jobs/1"),
    ("json", '{"jobs": [{"id": "a", "parameters": {"x": 1, "\\u0078": 2}}]}', "/jobs/0/parameters/x", "given twice"),
    ("json", '[{"id": "a", "jitter": NaN}]', "", "NaN is no number of JSON"),
    ("json", '[{"id": "a", "jitter": 1e999}]', "", "1e999 is no number of JSON"),
    ("json", "[" * 100_000, "", "it is not JSON that can be read"),
    ("json", "9" * 5000, "", "it is not JSON that can be read"),
    ("json", "[" + "[]," * 1_000_000, "", "more than 1,000,000 values"),
    ("json", b'{\n"\xff"}', "line 2", "it is not UTF-8 at byte 3"),
    ("json", b" " * 40_000_000, "", "at most 33,554,432 bytes"),
    ("toml", "a = \n", "line 1", "it is not TOML"),
    ("toml", '[[jobs]]\nid = "a"\nid = "b"', "line 3", "it is not TOML"),
    ("toml", "x = " + "[" * 10_000, "", "it is not TOML that can be read"),
    ("toml", "", "", "jobs are a list"),
    ("toml", '[jobs.a]\ntask = "t"', "/jobs", "jobs are a list"),
    ("toml", '[[jobs]]\nid = "a"\njitter = nan', "/jobs/0/jitter", "no such number"),
    ("toml", '[[jobs]]\nid = "a"\njitter = -inf', "/jobs/0/jitter", "no such number"),
    ("toml", '[[jobs]]\nid = "a"\nparameters = {a = inf}', "/jobs/0/parameters/a", "no such number"),
    ("toml", "#" * 9_000_000, "", "8,388,608 bytes"),
    ("yaml", "", "line 1", "there is no job in it"),
    ("yaml", "---\n---\n", "line 1", "there is no job in it"),
    ("yaml", "a: b: c", "line 1", "it is not YAML"),
    ("yaml", "a\n\0", "line 1", "it is not YAML"),
    ("yaml", "- x\n- 3", "line 2", "a job is an object"),
    ("yaml", "jobs: 3", "line 1", "a document is"),
    ("yaml", "jobs: []\njob: []", "line 2", 'did you mean "jobs"'),
    ("yaml", "task: t", "line 1 /id", "id is missing"),
    ("yaml", "id: a\ntask: t\nid: b", "line 3", "given twice: at line 1 and here"),
    ("yaml", "id: a\ntask: *b", "line 2", "*b stands for nothing"),
    ("yaml", "id: a\ntask: &b [*b]", "line 2", "*b stands for nothing"),
    ("yaml", "id: a\ntask: !!python/name:os.system x", "line 2", "is not known here"),
    ("yaml", "id: a\ntask: !x y", "line 2", "the tag !x is not known here"),
    ("yaml", "id: a\njitter: .inf", "line 2", "no number of JSON"),
    ("yaml", "id: a\njitter: 1e999", "line 2", "no number of JSON"),
    ("yaml", "id: a\njitter: !!int x", "line 2", "x is no int"),
    ("yaml", "id: a\n? [b]\n: c", "line 2", "a name is text"),
    ("yaml", "id: a\n<<: b", "line 2", "<< takes over"),
    ("yaml", "[" * 100, "line 1", "nested deeper than 50"),
    ("yaml", "- {id: a}\n- {id: a}", "line 2", "at line 1 and at line 2"),
    ("yaml", "#" * 9_000_000, "", "8,388,608 bytes"),
    ("yaml", "%TAG !a! tag:a\n" * 500_000 + "--- a", "line 1", "more than 100 lines that begin with %"),
    ("yaml", "jobs: [" + "{}," * 400_000 + "]", "line 1", "more than 1,000,000 values"),
    (
        "yaml",
        "x-a: &a " + "x" * 100_000 + "\njobs: [" + "*a, " * 400 + "]",
        "line 2",
        "more than 33,554,432 characters",
    ),
    ("yaml", "x-a: &a {" + "x" * 1000 + ": 1}\njobs: [" + "*a, " * 40_000 + "]", "line 2", "33,554,432 characters"),
    ("toml", "x = " + "9" * 2000, "line 1", "the number is too long"),
    ("toml", "\nx = [1, 0x" + "f" * 70_000 + "]", "line 2", "the number is too long"),
    ("toml", "[" + ".".join("a" * 2000) + "]\n" + "b = 1\n" * 100_000, "", "too many dots in a line"),
    ("kubernetes", "apiVersion: v1\nkind: List\nitems: []", "line 1", "there is no job in it; an empty set is"),
]


CROWDS: list[tuple[Kind, str]] = [
    ("crontab", "".join(f"# id: a{each}\n@daily report\n" for each in range(30_000))),
    ("yaml", "jobs:\n" + "".join(f"- {{id: a{each}}}\n" for each in range(30_000))),
]


@pytest.mark.parametrize(("kind", "text", "place", "words"), BAD, ids=[f"{each[0]} {each[1][:30]!r}" for each in BAD])
def test_a_document_that_is_refused(kind: Kind, text: str | bytes, place: str, words: str) -> None:
    assert words in refusals(kind, text)[place]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("2030-01-01", "2030-01-01"), ("12:30:00", "12:30:00"), ("012", 12), ("0o17", 15),
        ("0x1F", 31), ("-3", -3), ("1_000", "1_000"), ("1.5e3", 1500.0), ("1e3", 1000.0), (".5", 0.5), ("~", None),
        ("", None), ("'3'", "3"), ('"\\x41"', "A"), ("true", True), ("!!str 3", "3"), ("!!float 3", 3.0), ("! 3", "3"),
        ("|\n  a\n  b\n", "a\nb\n"), ("30 2 * * 1", "30 2 * * 1"), ("[1, {a: b}]", [1, {"a": "b"}]), ("<<", "<<"),
    ],
)  # fmt: skip
def test_values_of_yaml(text: str, value: object) -> None:
    [job] = jobs("yaml", f"id: a\nx: {text}")
    assert job["x"] == value
    assert type(job["x"]) is type(value)


def test_names_of_yaml_are_text() -> None:
    assert jobs("yaml", "id: a\nnotify: {on: [failed], 3: x}") == [{"id": "a", "notify": {"on": ["failed"], "3": "x"}}]


def test_aliases_and_merges_of_yaml() -> None:
    text = (
        "x-usual: &u {overlap: skip, retries: 2}\njobs:\n- {<<: *u, id: a, retries: 3}\n- {id: b, labels: *u, <<: [*u]}"
    )
    assert jobs("yaml", text) == [
        {"id": "a", "retries": 3, "overlap": "skip"},
        {"id": "b", "labels": {"overlap": "skip", "retries": 2}, "overlap": "skip", "retries": 2},
    ]


def test_aliases_cannot_grow_without_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 6)]
    [words] = refusals("yaml", "\n".join(lines)).values()
    assert "those counted that aliases repeat" in words


@pytest.mark.parametrize("anchored", ["&a{0} [*a{1}]", "&a{0} {{x: *a{1}}}"])
def test_aliases_are_no_deeper_than_what_is_written(anchored: str) -> None:
    lines = ["a0: &a0 x", *(f"a{each}: {anchored.format(each, each - 1)}" for each in range(1, 600)), "jobs: []"]
    assert refusals("yaml", "\n".join(lines)) == {"line 51": "it is nested deeper than 50"}


def test_nobody_waits_for_more_jobs_than_a_set_may_have() -> None:
    for kind, text in CROWDS:
        [words] = refusals(kind, text).values()
        assert words == "a set has at most 20,000 jobs, and this one has more: put it in parts, by scope"


def test_instants_and_no_limit_in_toml() -> None:
    text = '[[jobs]]\nid = "a"\nat = 2030-01-31T12:00:00+01:00\nend = 2030-01-31\nmisfire_grace = inf'
    assert jobs("toml", text) == [
        {"id": "a", "at": "2030-01-31T12:00:00+01:00", "end": "2030-01-31", "misfire_grace": None}
    ]


def test_entries_know_their_fields_places() -> None:
    assert found("json", json.dumps({"jobs": [A]})).entries[0].at("/cron") == "/jobs/0/cron"
    assert found("yaml", "\nid: a").entries[0].at("/cron") == "line 2 /cron"


def test_labels_of_a_set_are_given_to_each_job() -> None:
    labels = {"env": "prod"}
    text = json.dumps([A, {"id": "b", "labels": {"team": "x", "env": "prod"}}])
    assert [job["labels"] for job in jobs("json", text, labels)] == [labels, {"team": "x", "env": "prod"}]
    words = refusals("json", '[{"id": "b", "labels": {"env": "test"}}]', labels)
    assert words == {"/0/labels/env": 'the set is of the label env="prod"'}


def test_faults_are_told_up_to_a_number() -> None:
    with pytest.raises(BadJobs) as caught:
        read("json", json.dumps([1] * 5000))
    assert len(caught.value.all) == MOST_FAULTS + 1
    assert "not looked at" in caught.value.all[-1].detail
    assert str(caught.value).endswith(f"and {MOST_FAULTS - 2} more")


MANY = ",".join("1" * 50_001)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json", f'[{{"id": "a", "parameters": {{"x": [{MANY}]}}}}]'),
        ("toml", f'[[jobs]]\nid = "a"\nparameters.x = [{MANY}]'),
        ("yaml", f"- {{id: a, parameters: {{x: [{MANY}]}}}}"),
        ("yaml", f"- {{id: a, {', '.join(f'n{each}: 1' for each in range(50_000))}}}"),
    ],
)
def test_a_job_of_very_many_values_is_refused(kind: Kind, text: str) -> None:
    """What looks through one at once keeps Python's lock."""
    assert "a job holds at most 50,000 values" in refusals(kind, text).values()


def test_a_parser_of_yaml_is_given_a_text_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two of them Python may turn to another thread: it has to while a text in quotes comes."""
    sizes, given = list[int](), yaml_values._Pieces.read

    def read(pieces: yaml_values._Pieces, size: int) -> str:
        sizes.append(len(piece := given(pieces, size)))
        return piece

    monkeypatch.setattr(yaml_values._Pieces, "read", read)
    assert jobs("yaml", f'id: a\nname: "{"é" * 500_000}"') == [{"id": "a", "name": "é" * 500_000}]
    assert len(sizes) > 10
    assert max(sizes) < 100_000


LONG, QUOTES = "x\n" * 500_001, "'''"


@pytest.mark.parametrize(
    "text",
    [
        f"x = {QUOTES}{LONG}{QUOTES}",
        f"# {QUOTES}\nx = {QUOTES}{LONG}{QUOTES}",
        f"x = {QUOTES}y{QUOTES}''\ny = {QUOTES}{LONG}{QUOTES}",
        f"x = [{QUOTES}y{QUOTES}', {QUOTES}{LONG}{QUOTES}]",
        f'x = "\\"{QUOTES}"\ny = {QUOTES}{LONG}{QUOTES}',
        f'x = """\\"""{QUOTES}\\\\"""\ny = {QUOTES}{LONG}{QUOTES}',
        f'x = """y"""" # {QUOTES}\ny = {QUOTES}{LONG}{QUOTES}',
        f"x = 'y' # '\ny = {QUOTES}{LONG}{QUOTES}",
    ],
)
def test_a_long_text_of_toml_is_found_whatever_stands_before(text: str) -> None:
    tomllib.loads(text.replace(LONG, "x\n"))
    assert "a text between ''' has at most 1,000,000 characters" in refusals("toml", text).values()


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        f"x = {QUOTES}y{QUOTES}\ny = [\n{LONG.replace('x', '1,')}]\nz = {QUOTES}y{QUOTES}",
        f'x = """{QUOTES}{LONG}{QUOTES}"""',
        f"# {QUOTES}\n{LONG.replace('x', '#')}# {QUOTES}",
    ],
)
def test_what_is_no_text_between_quotes_may_be_long(text: str) -> None:
    assert "at most" not in "".join(refusals("toml", text).values())


def test_a_line_of_toml_has_a_length() -> None:
    assert refusals("toml", f"\n# {'x' * 1_000_000}") == {"line 2": "a line has at most 1,000,000 characters"}


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("application/json", "json"), ("Application/TOML; charset=utf-8", "toml"), ("text/yaml", "yaml"),
        ("text/crontab", "crontab"), ("text/crontab; user=0", "crontab"), ("text/crontab;user=1", "system-crontab"),
        ('text/crontab; charset=utf-8; User="yes"', "system-crontab"), ("application/json; user=1", "json"),
        ("application/vnd.kubernetes+yaml", "kubernetes"), ("text/x-systemd-unit", "systemd"), ("text/plain", None),
        ("", None),
    ],
)  # fmt: skip
def test_media_types(header: str, kind: str | None) -> None:
    assert media_type(header) == kind


@pytest.mark.parametrize("kind", ["toml", "yaml", "json"])
def test_what_documents_cannot_say(kind: Any) -> None:
    for value in ("\ud800", float("nan"), {"a": {"b": float("inf")}}):
        with pytest.raises(Unsayable, match="/a/x"):
            write(kind, [{"id": "a", "x": value}])
    with pytest.raises(Unsayable, match="surrogate"):
        write(kind, [{"id": "a", "labels": {"\ud800": "x"}}])
    with pytest.raises(Unsayable, match="/a/parameters/x: there is no null"):
        write("toml", [{"id": "a", "parameters": {"x": None}}])


@pytest.mark.parametrize("kind", ["toml", "yaml"])
def test_documents_behind_one_another_are_one(kind: Any) -> None:
    text = write(kind, [A]) + write(kind, [A | {"id": "b", "parameters": {"x": 1}}]) + write(kind, [A | {"id": "c"}])
    assert [job["id"] for job in jobs(kind, text)] == ["a", "b", "c"]


def test_what_is_withheld_is_told() -> None:
    job = A | {"parameters": {"password": "***"}}
    for kind in ("toml", "yaml", "crontab"):
        assert "# withheld: /parameters/password\n" in write(kind, [job], {"a": ["/parameters/password"]})


@pytest.mark.parametrize(
    "text", ["a" + ".a" * 20_000 + " = 1", "[a" + ".a" * 1000 + "]\n" + ("[a" + ".a" * 1000 + "]\n") * 60]
)
def test_names_of_many_parts_are_refused_before_they_are_read(text: str) -> None:
    assert "too many dots in a line" in refusals("toml", text)[""]


def test_a_text_may_have_many_dots() -> None:
    job = A | {"description": "Well... " * 1000}
    assert jobs("toml", write("toml", [job])) == [job]
