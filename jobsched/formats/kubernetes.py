"""CronJobs of Kubernetes as jobs: the schedule and its rules, with a command that has to be a task of the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard, TypeVar

from ..model.cron import Cron
from ..model.errors import BadTrigger, Invalid
from ..model.labels import is_name, is_value
from .findings import Findings
from .known_tasks import Call, KnownTasks, as_fault
from .yaml_values import Lined, LinedList

T = TypeVar("T")

VERSIONS: Final = ("batch/v1", "batch/v1beta1")
ZONE: Final = "UTC"  # of a manifest without one: that of the controller
RETRIES: Final = 6  # of a manifest without a `backoffLimit`
RETRY_DELAY: Final = 10  # seconds, as Kubernetes begins; it doubles there too
OVERLAPS: Final = {"Allow": "allow", "Forbid": "skip", "Replace": "replace"}
EVERY: Final = re.compile(r"@every\s+((?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|m|s)){1,20})")
SPANS: Final = {"h": 3600, "m": 60, "s": 1}

CATALOG: Final = "the catalog says how a task runs"
KEPT: Final = "KEEP_RUNS and KEEP_DAYS say how many runs are kept"
# What is left aside; why.
LEFT_ASIDE: Final[Mapping[str, str]] = {
    "metadata.namespace": "jobs have no namespaces; the scope of a set is a label",
    "metadata.annotations": "they are for programs around Kubernetes",
    "spec.successfulJobsHistoryLimit": KEPT,
    "spec.failedJobsHistoryLimit": KEPT,
    "job.ttlSecondsAfterFinished": KEPT,
    "pod.restartPolicy": "`retries` says what is tried again",
    "pod.imagePullSecrets": "no container is made",
    "pod.terminationGracePeriodSeconds": "KILL_GRACE says how long a run may take to end",
    "container.name": "no container is made",
    "container.image": "no container is made: the program is the task's",
    "container.imagePullPolicy": "no container is made",
    "container.resources": "`limits` in the catalog says what a run may take",
    "container.terminationMessagePath": "no container is made",
    "container.terminationMessagePolicy": "no container is made",
}
SILENTLY: Final = frozenset({"container.name", "pod.restartPolicy"})
# The only value that means nothing.
HARMLESS: Final[Mapping[str, Any]] = {
    "spec.suspend": False,
    "job.suspend": False,
    "job.parallelism": 1,
    "job.completions": 1,
    "job.completionMode": "NonIndexed",
    "pod.dnsPolicy": "ClusterFirst",
    "pod.schedulerName": "default-scheduler",
    "pod.hostNetwork": False,
    "pod.securityContext": {},
    "container.securityContext": {},
    "container.stdin": False,
    "container.tty": False,
}
# What is refused for another reason than that it has no counterpart.
REFUSED: Final[Mapping[str, str]] = {
    "spec.suspend": "a set says what jobs are, not that they are paused: leave it out, and pause the job",
    "pod.volumes": CATALOG,
    "pod.initContainers": "a job is one command: put what comes before into its script",
    "pod.serviceAccountName": CATALOG,
    "pod.securityContext": CATALOG,
    "pod.affinity": "`require` names tags of nodes: write them as nodeSelector",
    "container.envFrom": "parameters are written out",
    "container.volumeMounts": CATALOG,
    "container.workingDir": "`directory` in the catalog says where a task runs",
    "container.securityContext": CATALOG,
}
MAPPED: Final = frozenset({
    "metadata.name", "metadata.labels", "spec.schedule", "spec.timeZone", "spec.concurrencyPolicy",
    "spec.startingDeadlineSeconds", "spec.jobTemplate", "job.activeDeadlineSeconds", "job.backoffLimit",
    "job.template", "pod.activeDeadlineSeconds", "pod.containers", "pod.nodeSelector", "container.command",
    "container.args", "container.env",
})  # fmt: skip


def is_manifest(document: object) -> TypeGuard[Lined]:
    """Whether a document says of itself what kind of thing it is, as all of Kubernetes do."""
    return isinstance(document, Lined) and "apiVersion" in document and "kind" in document


def read(document: Lined, found: Findings, tasks: KnownTasks) -> None:
    """Read a manifest, or a list of some."""
    kind, version = document["kind"], document["apiVersion"]
    items = document.get("items")
    if kind in ("List", "CronJobList") and isinstance(items, LinedList):
        for line, item in zip(items.lines, items, strict=True):
            if is_manifest(item):
                read(item, found, tasks)
            else:
                found.refuse(f"line {line}", "it has no apiVersion and kind")
    elif kind != "CronJob" or version not in VERSIONS:
        what = f"{str(kind)[:80]} of {str(version)[:80]}"
        found.refuse(f"line {document.line}", f"it is a {what}, not a CronJob of batch/v1")
    else:
        _Manifest(found, tasks).read(document)


class _Manifest:
    """One CronJob on its way to a job."""

    def __init__(self, found: Findings, tasks: KnownTasks) -> None:
        self._found = found
        self._tasks = tasks

    def read(self, document: Lined) -> None:
        """Take it, or note all that is wrong with it."""
        before = self._found.faults
        for name in document.keys() - {"apiVersion", "kind", "metadata", "spec", "status"}:
            self._refuse(document, name, f"{name[:80]} has no counterpart")
        metadata, spec = self._part(document, "metadata"), self._part(document, "spec")
        template = self._part(spec, "jobTemplate")
        self._template_metadata(template)
        job = self._part(template, "spec")
        pod_template = self._part(job, "template")
        self._template_metadata(pod_template)
        pod = self._part(pod_template, "spec")
        container = self._container(pod)
        if self._found.faults > before:
            return
        parts = {"metadata": metadata, "spec": spec, "job": job, "pod": pod, "container": container}
        for where, part in parts.items():
            self._look(part, where)
        wanted = {"id": metadata.get("name"), **self._labels(metadata), **self._when(spec)}
        wanted |= self._rules(spec, job, pod)
        call = self._call(container)
        if call is not None:
            wanted |= call.fields
        if self._found.faults == before:
            self._found.add(f"line {document.line}", wanted)

    def _part(self, whole: Lined, name: str) -> Lined:
        part = whole.get(name)
        if isinstance(part, Lined):
            return part
        self._refuse(whole, name, f"{name} is an object, and has to be there")
        return Lined(whole.line)

    def _template_metadata(self, template: Lined) -> None:
        """Labels of pods say nothing here."""
        for name in template.keys() - {"metadata", "spec"}:
            self._refuse(template, name, f"{name[:80]} has no counterpart")

    def _container(self, pod: Lined) -> Lined:
        found = pod.get("containers")
        if isinstance(found, LinedList) and len(found) == 1 and isinstance(found[0], Lined):
            return found[0]
        if pod:
            self._refuse(pod, "containers", "a job is one command, so there has to be one container")
        return Lined(pod.line)

    def _look(self, part: Lined, where: str) -> None:
        """Refuse what cannot be said, and tell of what is left aside."""
        for name, value in part.items():
            path = f"{where}.{name}"
            if path in HARMLESS and value == HARMLESS[path] and type(value) is type(HARMLESS[path] or value):
                continue
            if path in LEFT_ASIDE:
                if path not in SILENTLY:
                    self._found.note(_place(part, name), f"{name} is left aside: {LEFT_ASIDE[path]}")
            elif path not in MAPPED:
                self._refuse(part, name, f"{name[:80]}: {REFUSED.get(path, 'it has no counterpart')}")

    def _labels(self, metadata: Lined) -> dict[str, object]:
        labels = metadata.get("labels")
        if not labels:
            return {}
        if not isinstance(labels, Lined):
            self._refuse(metadata, "labels", "labels is an object")
            return {}
        for name, value in labels.items():
            if not is_name(name) or not is_value(value):
                self._refuse(labels, name, f"{name[:80]} and its value are no label here: names are in small letters")
        return {"labels": dict(labels)}

    def _when(self, spec: Lined) -> dict[str, object]:
        zone = self._text(spec, "timeZone") or ZONE
        text = self._text(spec, "schedule")
        if text is None:
            if spec.get("schedule") is None:
                self._refuse(spec, "schedule", "schedule is missing")
            return {}
        if every := EVERY.fullmatch(text):
            parts = re.findall(r"([0-9.]+)([hms])", every[1])
            return {"interval": {"seconds": sum(float(number) * SPANS[unit] for number, unit in parts)}}
        cron = text.replace("?", "*")
        try:
            Cron(expression=cron, timezone=zone)
            _refuse_either(cron)
        except BadTrigger as why:
            for each in why.all:
                self._refuse(spec, "timeZone" if each.pointer == "/timezone" else "schedule", each.detail)
        return {"cron": cron, "timezone": zone}

    def _rules(self, spec: Lined, job: Lined, pod: Lined) -> dict[str, object]:
        policy = self._text(spec, "concurrencyPolicy") or "Allow"
        if policy not in OVERLAPS:
            self._refuse(spec, "concurrencyPolicy", f"it is one of {', '.join(OVERLAPS)}")
        retries = self._number(job, "backoffLimit", 0)
        timeouts = [self._number(each, "activeDeadlineSeconds", 1) for each in (job, pod)]
        timeout = min((each for each in timeouts if each is not None), default=None)
        selector = pod.get("nodeSelector")
        if selector is not None and not isinstance(selector, Lined):
            self._refuse(pod, "nodeSelector", "nodeSelector is an object")
            selector = None
        rules = {
            "overlap": OVERLAPS.get(policy),
            "misfire_grace": self._number(spec, "startingDeadlineSeconds", 1),  # none: a start is never too late
            "catch_up": "latest",
            "retries": RETRIES if retries is None else retries,
            "retry_delay": RETRY_DELAY,
        }
        rules |= {"timeout": timeout} if timeout is not None else {}
        return rules | ({"require": dict(selector)} if selector else {})

    def _call(self, container: Lined) -> Call | None:
        words = [*self._words(container, "command"), *self._words(container, "args")]
        here = "command" if container.get("command") else "args"
        if container.get("command") is None and container.get("args") is None:
            self._refuse(container, "command", "an image's own command is not known here: write it as command")
            return None
        if not words:
            return None
        try:
            if any("$(" in word for word in words):
                raise Invalid("$(NAME) is not filled in: a parameter is NAME=value")
            call = self._tasks.call(words)
        except Invalid as why:
            self._refuse(container, here, *as_fault(why))
            return None
        for line, name, value in self._environment(container):
            try:
                self._tasks.take(call, name, value)
            except Invalid as why:
                self._found.refuse(f"line {line}", *as_fault(why))
        return call

    def _environment(self, container: Lined) -> Iterator[tuple[int, str, str]]:
        """Each variable that is written out, with its line."""
        given = container.get("env")
        if given is None:
            return
        if not isinstance(given, LinedList):
            self._refuse(container, "env", "env is a list")
            return
        for line, each in zip(given.lines, given, strict=True):
            name, value = (each.get("name"), each.get("value", "")) if isinstance(each, Lined) else (None, None)
            if isinstance(name, str) and isinstance(value, str) and not each.keys() - {"name", "value"}:
                yield line, name, value
            else:
                self._found.refuse(f"line {line}", "a variable is a parameter, with a name and a text as its value")

    def _words(self, container: Lined, name: str) -> list[str]:
        given = container.get(name)
        if given is None:
            return []
        if isinstance(given, LinedList) and all(isinstance(each, str) for each in given):
            return list(given)
        self._refuse(container, name, f"{name} is a list of texts")
        return []

    def _text(self, part: Lined, name: str) -> str | None:
        return self._typed(part, name, str, "text")

    def _number(self, part: Lined, name: str, least: int) -> int | None:
        found = self._typed(part, name, int, "a whole number")
        if found is not None and found < least:
            self._refuse(part, name, f"{name} is at least {least}")
        return found

    def _typed(self, part: Lined, name: str, kind: type[T], words: str) -> T | None:
        value: Any = part.get(name)
        if value is None or type(value) is kind:
            return value
        self._refuse(part, name, f"{name} is {words}")
        return None

    def _refuse(self, part: Lined, name: str, detail: str, section: str = "") -> None:
        self._found.refuse(_place(part, name), detail, section)


def _place(part: Lined, name: str) -> str:
    return f"line {part.lines.get(name, part.line)}"


def _refuse_either(cron: str) -> None:
    """Raises BadTrigger for days that Kubernetes reads in another way: with a step behind its `*`, a field of days
    counts as restricted there, and a day has to match only one of two such fields."""
    parts = cron.split()
    if len(parts) != 5:
        return
    days = (parts[2], parts[4])
    if any(re.match(r"\*/(?!1$)", day) for day in days) and "*" not in days:
        raise BadTrigger("Kubernetes starts it on days that match either field of days, here they have to match both")
