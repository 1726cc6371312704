"""One sequence of 500 requests: what callers, plans and screens ask for, in an order that never changes.

Nothing in it hangs on the time: dues lie in 2090, runs are asked for and awaited, one at a time.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from tests.system.daemon import Daemon
from tests.system.same.player import Player, path

LENGTH: Final = 500
DUE: Final = "2090-01-01T00:00:00Z"
SORTS: Final = ("created", "name", "next_due", "state", "last_ended", "attention")
NAMES: Final = (
    "backup", "Backup", "BACKUP 2", "back_up", "back%up", "back\\up", "backup.old", "Äpfel", "äpfel", "Apfel", "zebra",
    "Zebra", "éclair", "e\u0301clair", "straße", "STRASSE", "İstanbul", "istanbul", "日本", "🙂 smile", "a'b", 'a"b',
    "$set", "-minus", "1", "01", "null", "x" * 200,
)  # fmt: skip
GLOBS: Final = (
    "back*", "Back*", "*up", "back?up", "back_up", "back%up", "back\\up", "*ä*", "?", "??", "*'*", "$*", "e?clair",
    "e??clair", "istanbul", "*", "🙂*", "x*x", "*.old", "no such job",
)  # fmt: skip
WORDS: Final = (
    "BACKUP", "äPFEL", "strasse", "ß", "up old", "data", "team", "team=data", "%", "_", "\\", "İ", "i", "quick", "🙂",
    "e\u0301", "first", "nobody has this",
)  # fmt: skip
LABELS: Final = ("team", "team=data", "team=web", "env=prod", "team=data&label=env", "env=", "team=Data")


def prepare(daemon: Daemon) -> None:
    """Its tasks and options: one run at a time, so that what is ordered at once ends in order."""
    daemon.options("NODE_NAME = 'here'\nSCHED_CONFIG['max_running'] = 1\nKEEP_RUNS = 100_000\nMAX_CONNECTIONS = 50")
    daemon.options("KILL_GRACE = 30")  # nobody is killed by it, however busy the machine
    daemon.environment = {"GATES": str(daemon.folder)}
    daemon.script("quick", "#!/bin/sh\necho quick $JOBSCHED_PARAM_WORD\n")
    daemon.section("parameters = word\n")
    daemon.script("broken", "#!/bin/sh\necho one\necho ERROR: two >&2\nexit 3\n")
    daemon.script("gated", '#!/bin/sh\nuntil [ -e "$GATES/$JOBSCHED_PARAM_GATE" ]; do sleep 0.02; done\necho open\n')
    daemon.section("parameters = gate\n")


def play(on: Player) -> None:
    """All of it."""
    begin = on.number(task="example", name="the first", at=DUE)
    for movement in MOVEMENTS:
        movement(on)
    while len(on.said) < LENGTH - 1:
        anything(on)
    end = on.number(task="example", name="the last", at=DUE)
    on.told(begin, end)


def make(on: Player) -> None:
    """Jobs of each kind, with names that databases like to change."""
    for number, name in enumerate(NAMES):
        labels = [{}, {"team": "data"}, {"team": "data", "env": "prod"}, {"team": "web", "env": ""}][number % 4]
        task = ("quick", "broken", "example")[number % 3]
        triggers: list[dict[str, Any]] = [
            {"interval": {"minutes": 1 + number}, "start": DUE},
            {"cron": f"{number} 3 * * 1-5", "timezone": "Europe/Berlin", "start": DUE},
            {"at": f"2091-02-03T04:05:{number:02}.{number:06}Z", "description": f"the first of {number}"},
            {"interval": {"weeks": 2000 + number}, "owner": "ann", "retries": 2, "retry_delay": 0},
        ]
        on.make(task=task, name=name, labels=labels, **triggers[number * 7 % 4])
    for name in ("report", "report-2", "re.port", "z_9"):
        on.ask("PUT", f"/jobs/{name}", {"task": "quick", "name": name, "cron": "@daily", "start": DUE}, prefer="a=b")
        on.jobs.append(f"/jobs/{name}")
    on.make(task="gated", name="gate", interval={"hours": 1}, start=DUE, overlap="queue", parameters={"gate": "first"})
    on.make(task="gated", name="skips", interval={"hours": 1}, start=DUE, parameters={"gate": "second"})


def say_again(on: Player) -> None:
    """The same request once more, and ids that are taken."""
    body = {"task": "quick", "name": "keyed", "at": DUE}
    for key, asked in (("one", body), ("one", body), ("one", body | {"name": "other"}), ("ONE", body)):
        on.ask("POST", "/jobs", asked, idempotency_key=key)
    on.ask("POST", "/jobs", body | {"id": "chosen"}, prefer="return=representation")
    on.ask("POST", "/jobs", body | {"id": "chosen"})
    on.ask("PUT", "/jobs/chosen", body)
    on.ask("PUT", "/jobs/chosen", body | {"retries": 1})
    on.ask("PUT", "/jobs/chosen", body, if_none_match="*")
    on.ask("PUT", "/jobs/unheard", body, if_match="*")


def sort(on: Player) -> None:
    """Every order, both ways, page by page."""
    for order in SORTS:
        on.pages(f"/jobs?limit=13&fields=name,state&sort={order}")
        on.pages(f"/jobs?limit=17&fields=name,next_due&sort=-{order}")
    on.pages("/jobs?limit=10")
    on.pages("/jobs?limit=14&as=request")


def look(on: Player) -> None:
    """What filters leave."""
    for words in WORDS:
        on.ask("GET", f"/jobs?fields=name&q={quote(words)}")
    for name in ("backup", "Backup", "e\u0301clair", "istanbul", "nobody"):
        on.ask("GET", f"/jobs?fields=name,labels&name={quote(name)}")
    for labels in LABELS:
        on.ask("GET", f"/jobs?fields=name,labels&label={labels}")
    for query in ("state=scheduled&task=broken", "state=ended", "overdue=false&limit=3", "overdue=true", "task=Quick"):
        on.ask("GET", f"/jobs?fields=name&{query}")
    on.pages("/upcoming?from=2090-01-02T00:00Z&to=2090-01-02T04:00Z&limit=40&label=team=data")
    on.ask("GET", "/upcoming?from=2091-02-03T00:00Z&zone=Asia/Kolkata&limit=5")
    on.ask("GET", "/calendar.ics?job=report&limit=2")


def glob(on: Player) -> None:
    """What globs mean; nothing is done."""
    for pattern in GLOBS:
        on.ask("POST", "/jobs:batch?plan=1", {"select": {"names": [pattern]}, "action": "pause"})
    for select in (
        {"tasks": ["q*", "?roken"]},
        {"tasks": ["Q*"]},
        {"labels": ["team"], "names": ["*a*"]},
        {"ids": ["report"]},
    ):
        on.ask("POST", "/jobs:batch?plan=1&partial=1", {"select": select, "action": "resume"})


def condition(on: Player) -> None:
    """Versions that are seen and passed by."""
    job = on.jobs[2]
    tag = on.ask("GET", job).headers["etag"]
    on.ask("GET", job, if_none_match=tag)
    on.ask("PATCH", job, {"retries": 3, "labels": {"env": "test", "team": None}}, if_match=tag)
    on.ask("PATCH", job, {"retries": 4}, if_match=tag)
    on.ask("GET", job, if_none_match=tag)
    on.ask("PATCH", job, {"name": "renamed", "interval": {"hours": 2}, "start": DUE}, if_match='"2", "9"')
    on.ask("PATCH", job, {"max_late": 1e6, "notify": {"on": []}})
    on.ask("PATCH", job, {"notify": None, "misfire_grace": None, "cron": "0 4 1 * *"})
    on.ask("DELETE", job, if_match='"1"')
    on.ask("GET", job)


def run(on: Player) -> None:
    """Runs that end well, badly, early and not at all; and what is told of them."""
    quick, broken, queued, skips = on.jobs[0], on.jobs[1], on.jobs[-2], on.jobs[-1]
    for body in (
        None,
        {"parameters": {"word": "up"}},
        {"due": "2020-01-01T03:00:00Z"},
        {"due": "2020-01-01T03:00:00Z"},
    ):
        on.run(quick, body)
    on.run(broken)
    on.idle(broken)  # its retries have failed too
    on.pages(f"{broken}/runs?limit=2")
    on.ask("PATCH", broken, {"retries": 0})
    on.run(broken)
    first = on.start(queued)
    on.until(first, "running")
    waiting = on.start(queued)
    on.get(first)
    on.get(waiting)
    on.ask("POST", f"{waiting}/cancel")
    on.ask("POST", f"{waiting}/cancel")
    on.ask("DELETE", queued, if_match='"7"')
    on.open("first")
    on.get(f"{first}?wait=30")
    held = on.start(skips)
    on.until(held, "running")
    on.start(skips)
    on.ask("POST", f"{held}/rerun")
    on.ask("POST", f"{held}/cancel")
    on.get(f"{held}?wait=30")
    on.ask("POST", f"{held}/cancel")
    on.open("second")
    on.ask("GET", f"{path(on.ask('POST', f'{held}/rerun'))}?wait=30")
    for asked in ("", "?tail=1", "?tail=0"):
        on.ask("GET", f"{on.runs[4]}/output{asked}")
    on.ask("GET", f"{on.runs[4]}/output", range="bytes=2-5")
    on.ask("GET", f"{waiting}/output")
    for query in ("limit=4", "limit=3&failing=1", "limit=2&state=succeeded,skipped", "limit=5&cause=manual&node=here"):
        on.pages(f"/runs?{query}")
    for query in ("task=Broken", "node=HERE", "label=team=data", "job=backup", f"job={quote('Äpfel')}", "job=nobody",
                  "from=2020-01-01T03:00Z&to=2020-01-01T03:01Z", "from=03:00&to=nonsense"):  # fmt: skip
        on.ask("GET", f"/runs?{query}")
    on.pages(f"{quick}/runs?limit=3")
    on.ask("GET", f"{broken}/runs?state=failed&limit=1")
    for job in (quick, broken, skips):
        on.ask("GET", f"{job}/stats")
        on.ask("GET", job)
    on.ask("GET", "/runs/counts?from=2020-01-01T02:00Z&to=2020-01-01T05:00Z&zone=Asia/Kolkata")
    on.ask("GET", f"/runs/counts?from=2020-01-01T02:00Z&to=2020-01-01T05:00Z&job={quick.rpartition('/')[2]}")
    for order in ("-last_ended", "last_ended", "attention", "-attention"):
        on.pages(f"/jobs?limit=21&fields=name,recent,last_run&sort={order}")
    on.ask("GET", f"/badge/{quick.rpartition('/')[2]}.svg")
    on.ask("GET", f"{on.runs[0]}/deliveries")


def pause(on: Player) -> None:
    """Pauses with and without an end."""
    job = on.jobs[5]
    for body in (None, None, {"until": "2089-05-01T00:00:00Z", "reason": "an upgrade"}, {"reason": "Äther 🙂"},
                 {"until": "2001-01-01T00:00:00Z"}):  # fmt: skip
        on.ask("POST", f"{job}/pause", body)
    on.ask("GET", "/jobs?state=paused")
    on.ask("GET", "/jobs?sort=-state&fields=state&limit=3")
    on.ask("POST", f"{job}/resume")
    on.ask("POST", f"{job}/resume")
    on.ask("POST", f"{on.jobs[9]}/pause", {"until": "2090-06-01T00:00:00Z"})
    on.ask("GET", "/upcoming?from=2090-01-02T00:00Z&to=2090-01-02T04:00Z&limit=9&held=0")


def hold(on: Player) -> None:
    """Holds, what they keep from starting, and one after another."""
    on.ask("GET", "/hold")
    on.ask("DELETE", "/hold")
    select = {"tasks": ["quick"], "names": ["back*", "report"]}
    tag = on.ask("PUT", "/hold", {"reason": "a fire", "until": "2090-01-03T00:00:00Z", "select": select}).headers[
        "etag"
    ]
    on.ask("PUT", "/hold", {"reason": "another"})
    on.ask("PUT", "/hold", {"reason": "another"}, if_none_match="*")
    on.ask("GET", "/hold")
    on.ask("POST", f"{on.jobs[0]}/run")
    on.run(on.jobs[1])
    on.get(f"{on.start(on.jobs[0], query='?force=1')}?wait=30")
    on.ask("POST", f"{on.runs[0]}/rerun")
    on.ask("GET", "/upcoming?from=2090-01-02T00:00Z&to=2090-01-02T04:00Z&limit=9")
    on.ask("GET", "/upcoming?from=2090-01-02T00:00Z&to=2090-01-02T04:00Z&limit=9&held=0")
    on.ask("GET", "/health/ready")
    on.ask("PUT", "/hold", {"missed": "catch_up", "waiting": "keep"}, if_match=tag)
    on.ask("DELETE", "/hold", if_match=tag)
    on.ask("GET", f"{on.jobs[0]}/why?at=2090-01-01T00:05Z")
    on.ask("DELETE", "/hold")
    on.ask("GET", "/hold")
    on.ask("PUT", "/hold", {}, if_match=tag)


def batch(on: Player) -> None:
    """One order on many jobs: planned, refused, done in part, done."""
    names = {"names": ["back*"]}
    plan = on.ask("POST", "/jobs:batch?plan=1", {"select": names, "action": "change", "patch": {"retries": 5}}).json
    versions = {part["id"]: part["version"] - 1 for part in plan["values"]}
    change = {"select": names, "action": "change", "patch": {"retries": 5, "labels": {"env": "batch"}}}
    on.ask("POST", "/jobs:batch", change | {"versions": versions})
    on.ask("PATCH", f"/jobs/{plan['values'][0]['id']}", {"description": "meanwhile"})
    on.ask("POST", "/jobs:batch", change | {"versions": versions})
    on.ask("POST", "/jobs:batch?partial=1", change | {"versions": versions})
    on.ask("POST", "/jobs:batch", change)
    on.ask("POST", "/jobs:batch", {"select": names, "action": "pause", "until": DUE, "reason": "all of them"})
    on.ask("POST", "/jobs:batch", {"select": {"state": "paused"}, "action": "resume"})
    on.ask(
        "POST",
        "/jobs:batch?partial=1",
        {"select": {"tasks": ["*"]}, "action": "change", "patch": {"cron": "0 0 * * *"}},
    )
    on.ask(
        "POST", "/jobs:batch", {"select": {"tasks": ["*"]}, "action": "change", "patch": {"parameters": {"word": "1"}}}
    )
    on.ask("POST", "/jobs:batch?partial=1", {"select": {"labels": ["team"]}, "action": "change",
                                             "patch": {"parameters": {"word": "up"}}})  # fmt: skip
    ran = on.ask("POST", "/jobs:batch", {"select": {"ids": ["report", "report-2", "re.port"]}, "action": "run"}).json
    for part in ran["values"]:
        on.get(f"/runs/{part['run']}?wait=30")
    on.ask("POST", "/jobs:batch", {"select": {"names": ["zebra", "Zebra", "x*"]}, "action": "delete"})
    on.ask("POST", "/jobs:batch", {"select": {}, "action": "delete"})
    groups = [entry["group"] for entry in on.get("/audit?action=jobs.batch")["values"]]
    for group in groups[:3]:
        on.pages(f"/audit?limit=3&group={group}")


def put_sets(on: Player) -> None:
    """Sets of jobs, brought to what they are to be."""
    url = "/jobs?scope=team=data&prune=1"
    wanted: list[dict[str, Any]] = [
        {"id": f"set-{number}", "task": "quick", "interval": {"hours": 1 + number}, "start": DUE} for number in range(9)
    ]
    tag = on.ask("PUT", f"{url}&plan=1", {"jobs": wanted}).headers["etag"]
    on.ask("PUT", url, {"jobs": wanted}, if_match=tag)
    on.ask("PUT", url, {"jobs": wanted}, if_match=tag)
    on.ask("PUT", url, {"jobs": wanted})
    wanted[2]["retries"] = 3
    wanted[3] |= {"task": "broken", "description": "Äther"}
    on.ask("PUT", f"{url}&plan=1", {"jobs": wanted[1:]})
    on.ask("PUT", url, {"jobs": wanted[1:]})
    on.ask("PUT", url, {"jobs": [*wanted, wanted[0]]})
    on.ask("PUT", url, {"jobs": [{"id": "set-1", "task": "quick"}, {"id": "set-2", "task": "nothing", "at": DUE}]})
    on.ask("PUT", "/jobs?prune=1", {"jobs": wanted})
    on.ask(
        "PUT",
        "/jobs?scope=team=web&plan=1",
        "MAILTO=ops\n# id: tidy\n*/20 * * * * quick\n",
        content_type="text/crontab",
    )
    on.ask("PUT", url, {"jobs": wanted})
    on.ask("GET", "/jobs?as=request&label=team=data")
    on.ask("GET", "/jobs?format=toml&label=team=data")
    on.ask("GET", "/jobs?format=crontab&task=broken")
    group = on.get("/audit?action=jobs.put&limit=1")["values"][0]["group"]
    on.pages(f"/audit?group={group}&limit=2")


def explain(on: Player) -> None:
    """Why something did not run."""
    for job in (*on.jobs[:6], *on.jobs[-2:], "/jobs/set-0", "/jobs/unheard"):
        on.ask("GET", f"{job}/why")
        on.ask("GET", f"{job}/why?at=2090-01-02T03:07Z")
    on.ask("GET", f"{on.jobs[0]}/why?at=2020-01-01T03:00Z")
    on.ask("GET", f"{on.jobs[0]}/why?at=2020-01-01T04:00&zone=Europe/Berlin")
    on.ask("GET", f"{on.jobs[0]}/why?at=2019-07-01")


def give_keys(on: Player) -> None:
    """Keys of a job."""
    job = on.jobs[3]
    made = [on.ask("POST", f"{job}/keys").json for _ in range(2)]
    on.ask("GET", f"{job}/keys")
    on.ask("DELETE", f"{job}/keys/{made[0]['id']}")
    on.ask("DELETE", f"{job}/keys/{made[0]['id']}")
    on.ask("GET", f"{job}/keys")
    on.ask("GET", f"{job}/badge.svg?key={made[1]['key']}")


def refuse(on: Player) -> None:
    """What is wrong, told in the same words."""
    for method, url, body in (
        ("GET", "/jobs/nobody", None),
        ("GET", "/runs/01a20840-5f25-7789-a586-53fa4a101b39", None),
        ("GET", "/nowhere", None),
        ("DELETE", "/jobs", None),
        ("POST", "/jobs", {"task": "quick"}),
        ("POST", "/jobs", {"task": "nothing", "name": "a"}),
        ("POST", "/jobs", {"task": "quick", "name": "a\nb", "at": DUE}),
        ("GET", "/jobs?limit=0", None),
        ("GET", "/jobs?sort=size", None),
        ("GET", "/jobs?after=nowhere&sort=name", None),
        ("GET", "/jobs?label=Team", None),
        ("GET", "/runs?state=lost,nothing", None),
        ("GET", "/audit?action=nothing", None),
        ("GET", "/jobs?q=a&colour=red", None),
        ("POST", "/jobs", {"task": "quick", "name": "\ud83d\ude42", "at": DUE, "labels": {"Team": "x"}}),
    ):
        on.ask(method, url, body)


def remove(on: Player) -> None:
    """Jobs that go, and one that comes back."""
    waiting = on.start(on.jobs[-1])
    on.get(f"{waiting}?wait=30")
    on.ask("DELETE", on.jobs[-1])
    on.ask("DELETE", on.jobs[-1])
    on.ask("GET", f"{on.jobs[-1]}/runs?limit=2")
    on.ask("GET", f"{on.jobs[-1]}/why?at=2090-01-01T01:00Z")
    on.ask("DELETE", "/jobs/chosen")
    on.ask("POST", "/jobs", {"id": "chosen", "task": "quick", "at": DUE})
    on.ask("PUT", "/jobs/chosen", {"task": "broken", "at": DUE}, if_match="*")
    on.ask("PUT", "/jobs/chosen", {"task": "broken", "at": DUE})
    on.run("/jobs/chosen")
    on.ask("DELETE", "/jobs/chosen?cancel=1")
    on.ask("POST", "/jobs", {"id": "chosen", "task": "quick", "at": DUE})
    on.ask("PUT", "/jobs/chosen", {"task": "broken", "at": DUE})


def audit(on: Player) -> None:
    """Who changed what."""
    on.pages("/audit?limit=40")
    for query in ("target=chosen", "target=backup", f"target={on.runs[5].rpartition('/')[2]}", "action=run.cancel",
                  "action=hold.put", "who=nobody", f"target={on.jobs[5].rpartition('/')[2]}&limit=3"):  # fmt: skip
        on.ask("GET", f"/audit?{query}")


MOVEMENTS: Final = (
    make, say_again, sort, look, glob, condition, run, pause, hold, batch, put_sets, explain, give_keys, refuse, remove,
    audit,
)  # fmt: skip


def anything(on: Player) -> None:
    """One request by chance: whoever changes the rest of the sequence has its length still."""
    pick = on.random.choice
    job, change = pick(on.jobs), pick(["pause", "resume", "patch", "list", "list", "runs", "audit", "why", "batch"])
    if change in {"pause", "resume"}:
        on.ask("POST", f"{job}/{change}")
    elif change == "patch":
        on.ask("PATCH", job, {"retries": on.random.randrange(9), "labels": {"team": pick(["data", "web", None])}})
    elif change == "list":
        order, word = pick(["", "-"]) + pick(SORTS), quote(pick(WORDS[:8]))
        on.ask("GET", f"/jobs?limit={on.random.randrange(1, 20)}&sort={order}&q={word}&fields=name,state,recent,labels")
    elif change == "runs":
        on.ask(
            "GET", f"/runs?limit={on.random.randrange(1, 9)}&state={pick(['succeeded', 'failed', 'skipped,cancelled'])}"
        )
    elif change == "audit":
        on.ask("GET", f"/audit?limit=3&target={job.rpartition('/')[2]}")
    elif change == "why":
        on.ask("GET", f"{job}/why?at=2090-0{on.random.randrange(1, 10)}-11T03:00Z")
    else:
        on.ask("POST", "/jobs:batch?plan=1", {"select": {"names": [pick(GLOBS)]}, "action": "delete"})
