"""What each field means: for the description of the API and for the tables of the documentation.

A name means the same in every record, unless the record has an entry of its own.
"""

from __future__ import annotations

FIELDS = {
    # a job
    "id": "Unique; ids made later sort behind those made earlier",
    "name": "What a person calls it; need not be unique",
    "task": "The section of the catalog that is run",
    "task_known": "Whether the catalog has that task now; without it each due fails",
    "interval": "Elapsed time between two dues, on a grid from `start`, or from when the job was made",
    "interval_seconds": "The interval in seconds; null for other triggers",
    "cron": "Five fields, or six with seconds first, or @hourly @daily @weekly @monthly @yearly; read in `timezone`",
    "at": "The one instant at which it runs; ISO 8601 with an offset",
    "timezone": "IANA name of the zone in which `cron` is read",
    "start": "No due lies before it",
    "end": "No due lies after it; it may be one itself",
    "max_runs": "Scheduled runs after which the job has ended; null for no limit",
    "jitter": "Most seconds by which a due is put off: the same at every asking, never to the next due",
    "overlap": "What happens to a run that is due while another of its job is active",
    "misfire_grace": "Seconds after its due until which a run may still start; null for no limit",
    "catch_up": "Which of several dues that waited are run: the newest, none or all (at most 1,000)",
    "retries": "How often a run that failed, timed out or was lost is tried again",
    "retry_delay": "Seconds before the first retry; doubles up to an hour, plus up to a quarter by chance",
    "timeout": "Seconds after which a run is ended; null for the task's own, or JOB_LIVETIME",
    "parameters": "What the task is told, of the names that the catalog allows",
    "placement": "On how many nodes a due runs: any one, or every one that is alive and has the task",
    "require": "Tags that a node must have: up to 32, names of up to 64 printable characters, values of up to 200",
    "next_run": "The next due in the daemon's local time; null when none is left",
    "next_due": "The next due; null when none is left",
    "paused": "Whether dues pass without a run until it is resumed",
    "created": "When it was made",
    "updated": "When its definition was changed last",
    "last_run": "The newest run",
    # a run
    "job_id": "The job it is a run of; that may be deleted by now",
    "job_name": "That job's name when the run was made",
    "due": "The instant at which it should start",
    "until": "The last due of a stretch with one fate; null for a single due",
    "attempt": "1, and one more for each retry",
    "cause": "What made it: the schedule, a caller, or a retry",
    "state": "Where it stands",
    "reason": "Why it stands there, in words",
    "node": "The name of the daemon that runs it, or that it waits for",
    "pid": "Its process; null when it has none of its own",
    "started": "When it was started",
    "ended": "When its outcome was known",
    "duration": "Seconds from start to end",
    "exit_code": "What its process exited with",
    "signal": "The signal that ended its process",
    "output": "How much it printed",
    "bytes": "Bytes that were printed",
    "kept": "Bytes of them that were kept",
    "truncated": "Whether some were not kept",
    # an interval
    "seconds": "Seconds of it",
    "minutes": "Minutes of it",
    "hours": "Hours of it",
    "days": "Days of it",
    "weeks": "Weeks of it",
    # looking ahead
    "from": "The instant after which to look; now, if left out",
    "count": "How many dues to show",
    "fires": "The dues, in order",
    "utc": "The due in UTC",
    "note": "What a change of clocks did to it, if anything",
    # the catalog
    "tasks": "Names, in the order of the catalog",
    "description": "The task's docstring",
    "kind": "Where it runs: command, process, async or thread",
    "user": "As whom it runs; null for the daemon's own user",
    "limits": "What each process of a run may take",
    "nice": "How much it gives way to others, from -20 to 19, added to what the daemon does; null for nothing",
    "memory": "Bytes of address space; null for as much as the daemon may have",
    "cpu": "Seconds of work, after which it is ended by SIGXCPU; null for as many as the daemon has",
    "files": "Files and sockets open at once; null for as many as the daemon may have",
    # a node
    "url": "How other nodes reach it; null: they do not",
    "tags": "What it says is special about it",
    "since": "When it was started, by the database's clock",
    "seen": "When it was last known to be alive, by the same clock",
    "running": "Runs that it executes",
    "slots": "Runs that it could start besides",
    "claims": "The dues that it reached for",
    "tried": "How many it asked for since its start",
    "won": "How many of them it got; the others had been taken by another node",
    "problem": "What is wrong with it; null when nothing is",
    # lists
    "values": "What was found",
    "limit": "At most so many",
    "after": "The id behind which the page begins; follow the Link header instead of making one up",
    "to": "Runs due before this instant",
    # ways of asking
    "cancel": "Whether the active runs are to be ended too",
    "follow": "Whether to stream what is printed until the run has ended",
    "wait": "Seconds to wait for the end of the run",
    "tail": "Only so many of the last lines",
    # the rest
    "status": "How it is",
    "version": "Of the daemon",
    "type": "about:blank: the status says it all",
    "title": "The status in words",
    "detail": "What is wrong, for a person",
    "errors": "What is wrong, field by field",
    "pointer": "The place in the body (RFC 6901), or ?name in the query",
}

OWN = {
    ("FireOut", "at"): "The due in the zone that was asked for",
    ("NodeOut", "id"): "Unique; each start of a daemon has another",
    ("NodeOut", "name"): "What the configuration calls it",
    ("NodeOut", "state"): "Whether it is alive, was stopped, or died",
    ("NodeOut", "tasks"): "The tasks it has, in the order of its catalog",
    ("RunOut", "count"): "How many dues it stands for: 1, or more on a stretch",
    ("RunOut", "task"): "The task that is run",
    ("RunOut", "id"): "Unique; newer runs have greater ids",
    ("RunPage", "from"): "Runs due at this instant or later",
    ("TaskOut", "name"): "The section of the catalog",
    ("TaskOut", "parameters"): "The names that a job may set",
    ("TaskOut", "timeout"): "Seconds after which its runs are ended; null for JOB_LIVETIME",
    ("JobOut", "interval"): "The interval, as Python writes a timedelta; null for other triggers",
    ("JobOut", "state"): "Whether it waits for its next due, is paused, or has no due left",
    ("Problem", "status"): "The status of the answer",
}


def meaning(record: str, field: str) -> str:
    """What `field` of `record` says."""
    return OWN.get((record, field)) or FIELDS[field]
