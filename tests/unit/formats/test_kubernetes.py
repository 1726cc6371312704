"""CronJobs of Kubernetes: what each field becomes, and what is refused or left aside of them."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from .reading import found, jobs, refusals

MANIFEST: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "nightly"},
    "spec": {
        "schedule": "30 2 * * *",
        "jobTemplate": {
            "spec": {"template": {"spec": {"containers": [{"name": "x", "image": "y", "command": ["report"]}]}}}
        },
    },
}
JOB: dict[str, Any] = {
    "id": "nightly", "task": "report", "cron": "30 2 * * *", "timezone": "UTC", "overlap": "allow",
    "catch_up": "latest", "misfire_grace": None, "retries": 6, "retry_delay": 10,
}  # fmt: skip
SPEC = ("spec",)
JOB_SPEC = ("spec", "jobTemplate", "spec")
POD = (*JOB_SPEC, "template", "spec")
CONTAINER = (*POD, "containers", 0)


def manifest(path: tuple[Any, ...], **fields: Any) -> str:
    """The manifest with these fields at that place, as JSON, which is YAML."""
    whole = part = deepcopy(MANIFEST)
    for name in path:
        part = part[name]
    part |= fields
    return json.dumps(whole)


MAPPED: list[tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]] = [
    ((), {}, {}),
    ((), {"apiVersion": "batch/v1beta1", "status": {}}, {}),
    (("metadata",), {"labels": {"team": "data"}}, {"labels": {"team": "data"}}),
    (SPEC, {"timeZone": "Europe/Berlin"}, {"timezone": "Europe/Berlin"}),
    (SPEC, {"schedule": "@hourly"}, {"cron": "@hourly"}),
    (SPEC, {"schedule": "30 2 ? * 1"}, {"cron": "30 2 * * 1"}),
    (SPEC, {"schedule": "30 2 */1 * 1"}, {"cron": "30 2 */1 * 1"}),
    (SPEC, {"schedule": "@every 1h30m"}, {"cron": None, "timezone": None, "interval": {"seconds": 5400.0}}),
    (SPEC, {"concurrencyPolicy": "Forbid"}, {"overlap": "skip"}),
    (SPEC, {"concurrencyPolicy": "Replace"}, {"overlap": "replace"}),
    (SPEC, {"startingDeadlineSeconds": 300}, {"misfire_grace": 300}),
    (SPEC, {"suspend": False}, {}),
    (JOB_SPEC, {"backoffLimit": 0, "completions": 1}, {"retries": 0}),
    (JOB_SPEC, {"activeDeadlineSeconds": 60}, {"timeout": 60}),
    (POD, {"activeDeadlineSeconds": 30, "restartPolicy": "Never"}, {"timeout": 30}),
    (POD, {"nodeSelector": {"disk": "ssd"}}, {"require": {"disk": "ssd"}}),
    (CONTAINER, {"command": None, "args": ["report", "day=a b"]}, {"parameters": {"day": "a b"}}),
    (CONTAINER, {"command": ["/srv/tasks/backup.sh"], "args": ["--all"]}, {"task": "backup"}),
    (CONTAINER, {"env": [{"name": "day", "value": "1"}]}, {"parameters": {"day": "1"}}),
]


@pytest.mark.parametrize(("path", "fields", "wanted"), MAPPED)
def test_a_field(path: tuple[Any, ...], fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    whole = JOB | wanted
    dropped = [name for name in ("cron", "timezone") if whole[name] is None]
    assert jobs("kubernetes", manifest(path, **fields)) == [{n: v for n, v in whole.items() if n not in dropped}]


REFUSED: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    (CONTAINER, {"command": ["report", "x" * 100_001]}, "a word of a command has at most 100,000 characters"),
    (CONTAINER, {"env": [{"name": "day", "value": "x" * 100_000}]}, "a parameter has at most 100,000 characters"),
    ((), {"kind": "Job"}, "it is a Job of batch/v1, not a CronJob"),
    ((), {"apiVersion": "v2"}, "not a CronJob of batch/v1"),
    ((), {"data": {}}, "data has no counterpart"),
    ((), {"spec": 3}, "spec is an object"),
    (("metadata",), {"name": "7up"}, "an id is a word"),
    (("metadata",), {"labels": {"App": "x"}}, "no label here"),
    (("metadata",), {"finalizers": []}, "finalizers: it has no counterpart"),
    (SPEC, {"schedule": None}, "schedule is missing"),
    (SPEC, {"schedule": 3}, "schedule is text"),
    (SPEC, {"schedule": "61 * * * *"}, "minute"),
    (SPEC, {"schedule": "TZ=UTC 0 0 * * *"}, "timezone"),
    (SPEC, {"schedule": "0 0 */2 * 1"}, "match either field of days"),
    (SPEC, {"timeZone": "Europe/Berln"}, "did you mean"),
    (SPEC, {"suspend": True}, "pause the job"),
    (SPEC, {"concurrencyPolicy": "No"}, "Allow, Forbid, Replace"),
    (SPEC, {"startingDeadlineSeconds": 0}, "at least 1"),
    (SPEC, {"startingDeadlineSeconds": True}, "a whole number"),
    (JOB_SPEC, {"parallelism": 2}, "parallelism: it has no counterpart"),
    (JOB_SPEC, {"completions": True}, "completions: it has no counterpart"),
    (JOB_SPEC, {"podFailurePolicy": {}}, "podFailurePolicy: it has no counterpart"),
    (JOB_SPEC, {"backoffLimit": -1}, "at least 0"),
    (POD, {"volumes": []}, "the catalog says how a task runs"),
    (POD, {"initContainers": []}, "one command"),
    (POD, {"nodeSelector": 3}, "nodeSelector is an object"),
    (POD, {"containers": []}, "one container"),
    (POD, {"securityContext": {"runAsUser": 0}}, "the catalog says how a task runs"),
    (CONTAINER, {"command": None}, "an image's own command is not known here"),
    (CONTAINER, {"command": "report"}, "command is a list of texts"),
    (CONTAINER, {"command": ["/bin/sh", "-c", "rm -rf /"]}, "put what it does into a script"),
    (CONTAINER, {"command": ["report", "day=$(DAY)"]}, "is not filled in"),
    (CONTAINER, {"command": ["/usr/bin/x"]}, "script = /usr/bin/x"),
    (CONTAINER, {"env": [{"name": "day", "valueFrom": {}}]}, "a variable is a parameter"),
    (CONTAINER, {"env": [{"name": "night", "value": "x"}]}, "allows no parameter night"),
    (CONTAINER, {"env": 3}, "env is a list"),
    (CONTAINER, {"envFrom": []}, "parameters are written out"),
    (CONTAINER, {"workingDir": "/"}, "`directory` in the catalog"),
]


@pytest.mark.parametrize(("path", "fields", "words"), REFUSED)
def test_a_field_that_is_refused(path: tuple[Any, ...], fields: dict[str, Any], words: str) -> None:
    assert words in " ".join(refusals("kubernetes", manifest(path, **fields)).values())


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        (("metadata",), {"namespace": "prod"}, "the scope of a set is a label"),
        (("metadata",), {"annotations": {"a": "b"}}, "annotations is left aside"),
        (SPEC, {"successfulJobsHistoryLimit": 3}, "KEEP_RUNS"),
        (JOB_SPEC, {"ttlSecondsAfterFinished": 3}, "KEEP_RUNS"),
        (CONTAINER, {"resources": {}}, "`limits` in the catalog"),
    ],
)
def test_what_is_left_aside_is_told(path: tuple[Any, ...], fields: dict[str, Any], words: str) -> None:
    notes = found("kubernetes", manifest(path, **fields)).notes
    assert any(words in note.detail for note in notes)
    assert any("image is left aside" in note.detail for note in notes)


def test_places_are_lines() -> None:
    text = json.dumps(MANIFEST | {"spec": MANIFEST["spec"] | {"suspend": True}}, indent=1)
    line = text[: text.index('"suspend"')].count("\n") + 1
    assert list(refusals("yaml", f"---\n{text}")) == [f"line {line + 1}"]


def test_lists_and_documents_and_jobs_beside_them() -> None:
    other = MANIFEST | {"metadata": {"name": "other"}}
    whole = {"apiVersion": "v1", "kind": "List", "items": [MANIFEST, other]}
    assert [job["id"] for job in jobs("kubernetes", json.dumps(whole))] == ["nightly", "other"]
    text = f"{json.dumps(MANIFEST)}\n---\nid: mine\n---\n{json.dumps(other)}"
    assert [job["id"] for job in jobs("yaml", text)] == ["nightly", "mine", "other"]
    assert "it has no apiVersion" in str(refusals("kubernetes", text))
    assert "it has no apiVersion" in str(refusals("kubernetes", json.dumps(whole | {"items": [{}]})))
