"""What schemathesis must know to make sense, and to do no harm: the tasks there are, zones, cron expressions, and which
rules no JSON Schema can say. Loaded by schemathesis itself (schemathesis.toml)."""

import json
import math
import re
from itertools import combinations
from urllib.parse import urlsplit

import schemathesis
from schemathesis.openapi.checks import EnsureResourceAvailability, IgnoredAuth, RejectedPositiveData

CRONS = ("0 3 * * *", "*/30 * * * *", "15 2 * * 1-5", "0 0 L * *", "@monthly", "30 0 12 * * MON#2")
ZONES = ("UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham")
TRIGGERS = ("interval", "cron", "at")
CHEAP = ("example", "runfoo")
LEAST = 60.0  # seconds between two dues: hundreds of jobs are made

# Schema-valid and yet refused, each for a rule that goes over several fields, or that needs a clock.
RULES = re.compile(
    "an interval is at least 0.1 seconds and at most 100 years"
    "|end lies before start"
    "|lies in the past, or outside start and end"
    "|no due lies between start and end"
    "|lies in the past"
    "|lies before from, or is the same"
    "|names no job; all are meant by .*"
    "|is for (pause|run|change|delete) alone"
    "|is missing"  # a batch: what it needs depends on what is to be done
    "|may hold printable characters but . and ."
    "|lies outside the years 1 to 9999"  # RFC 3339 has years whose UTC form no calendar has
    "|no due within 50 years"
    "|task (example|runfoo) takes no such parameter.*"
    "|give exactly one of interval, cron and at"  # a patch: it depends on the job
    "|is not the id of the path, .*"
    "|an id is a word: .*"  # a UUID that begins with a letter has the form of a word
    "|give the jobs of the set in jobs, or in values .*"
    "|is missing: .*"  # a job of a set has an id, and the label of its scope
    "|is the id of /.* too"
    "|is '.*', and the scope is .*"
    "|needs a scope: only jobs that have its label are deleted"
    "|lies in the future: make a job that runs at that instant"  # a clock tells
    "|is no time, as .*"
    "|.*is not an IANA time zone.*"
    "|holds a NUL character"
    "|hold [0-9]+ bytes of JSON together, and may hold 65536"
    "|holds U\\+[0-9A-F]{4,6}, which is not printable"
    "|a tag's (name|value) is 1 to [0-9]+ printable characters"
    "|holds more than 32 tags"  # a patch: it depends on the job
    "|holds more than 32 labels"
    "|a label's (name|value) is .*"
    "|is NAME=VALUE or NAME, and .*"
    "|is a link such as .*"
    "|give state or failing, not both"
    "|is no place in this list: follow the Link header"
    "|has more than 8 words"
    "|does not go with requests.*"
    "|is no instant in ISO 8601.*|needs an offset.*"
    "|lies at the end of the calendar"
    "|is needed: there is no receiver for all jobs .NOTIFY_URL."  # what is configured, no schema knows
    "|must be an http or https URL of ASCII without blanks, with neither user nor fragment, or mailto: and an address"
    "|is a mailbox, and there is no server for mail .NOTIFY_MAIL."
    "|is for a receiver of one's own, which `url` names|is for a chat, and mail is text"
    "|.* is not among the hosts that are allowed .NOTIFY_HOSTS."
    "|.* is a whole number.*"  # JSON Schema takes 1.0 for an integer; we do not
    "|invalid RFC3339 encoded datetime",  # a leap second: RFC 3339 has it, POSIX time does not
    re.DOTALL,
)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Narrow what any daemon takes to what makes this one work."""
    for record in ("JobIn", "PatchIn", "PreviewIn"):
        fields = raw_schema["components"]["schemas"][record]["properties"]
        for name, values in (("task", CHEAP), ("cron", CRONS), ("timezone", ZONES)):
            if name in fields:
                for kind in (fields[name], *fields[name].get("anyOf", [])):
                    if kind.get("type") == "string":
                        kind["enum"] = list(values)
        one_trigger(record, raw_schema["components"]["schemas"][record])
    for parameter in raw_schema["paths"]["/catalog/{name}"]["get"]["parameters"]:
        parameter["schema"]["enum"] = list(CHEAP)


def one_trigger(record, schema):
    """Say what the description has in words only: programs that make clients of it would stumble over it."""
    null = {"type": "null"}
    if record == "PatchIn":
        two = [{name: {"not": null} for name in pair} for pair in combinations(TRIGGERS, 2)]
        schema["not"] = {"anyOf": [{"required": list(pair), "properties": pair} for pair in two]}
    else:
        if record == "JobIn":
            schema["anyOf"] = [{"required": ["name"]}, {"required": ["id"]}]  # where no path says the id
        schema["oneOf"] = [
            {"required": [one], "properties": {name: {"not": null} if name == one else null for name in TRIGGERS}}
            for one in TRIGGERS
        ]


@schemathesis.hook
def before_call(context, case, kwargs):
    """No job is due every tenth of a second: what is valid stays valid, what is not stays so. And a tag that is made up
    fits no job, so that next to nothing would be written."""
    if case.headers and "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    if case.path == "/jobs:batch" and (case.query or {}).get("plan", False) in (False, "false"):
        case.query = {**(case.query or {}), "plan": "true"}  # all jobs may be meant
    if case.path == "/jobs" and case.method == "PUT":
        case.query = {**(case.query or {}), "plan": "true"}  # it may delete what others have made
    if case.path == "/hold" and isinstance(case.body, dict) and case.body.get("select") is None:
        case.body["select"] = {"ids": ["nothing"]}  # or nothing could be run any more
    interval = case.body.get("interval") if isinstance(case.body, dict) else None
    if isinstance(interval, dict) and type(interval.get("seconds")) in {int, float}:
        seconds = interval["seconds"]
        if math.isfinite(seconds) and 0 < seconds < LEAST:
            interval["seconds"] = seconds + LEAST


deleted = set[str]()  # paths of jobs


@schemathesis.hook
def after_call(context, case, response):
    """Remember what was deleted, over all scenarios."""
    if case.method == "DELETE" and response.status_code == 200:
        deleted.add(urlsplit(response.request.url).path)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keep what is a failure of ours."""
    if isinstance(failure, EnsureResourceAvailability):
        # A key sent again is answered as it was for 24 hours, with the address of a job that was deleted meanwhile.
        return not any(urlsplit(response.request.url).path.startswith(path) for path in deleted)
    if isinstance(failure, IgnoredAuth) and "got `429 " in failure.message:
        return False  # it sends many wrong tokens from one address; to be slowed down is not to be let in
    if response.status_code == 414:  # lists of long words in a query: it is refused for its length before it is read
        return False
    if response.status_code in {412, 422}:  # an If-Match or Idempotency-Key made up here, which comes before the body
        return False
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        faults = json.loads(response.content)["errors"]
        return not (faults and all(RULES.fullmatch(fault["detail"]) for fault in faults))
    return True
