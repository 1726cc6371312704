"""What a stranger's program does with what openapi-python-client makes: `use.py URL TOKEN`."""

import sys

from jobsched_client import AuthenticatedClient
from jobsched_client.api.jobs import change_job, create_job, delete_job, get_job, list_jobs, run_job
from jobsched_client.api.runs import get_run
from jobsched_client.models import IntervalIn, JobIn, PatchIn, Problem

address, token = sys.argv[1:]
client = AuthenticatedClient(base_url=address, token=token)

wanted = JobIn(task="runfoo", name="from Python", interval=IntervalIn(hours=1))
made = create_job.sync_detailed(client=client, body=wanted)
assert made.status_code == 202, made
job_id = made.headers["location"].rpartition("/")[2]

changed = change_job.sync(job_id, client=client, body=PatchIn(retries=2, timeout=None))
assert changed.retries == 2, changed

run = run_job.sync_detailed(job_id, client=client)
assert run.status_code == 202, run
ended = get_run.sync(run.headers["location"].rpartition("/")[2], client=client, wait=30)
assert ended.state == "succeeded", ended

listed = list_jobs.sync(client=client, limit=10)
assert any(job.id == job_id and job.name == wanted.name for job in listed.values), listed

refused = create_job.sync(client=client, body=JobIn(task="runfoo", name="no trigger"))
assert isinstance(refused, Problem), refused
assert "exactly one of" in refused.errors[0].detail, refused

assert delete_job.sync_detailed(job_id, client=client).status_code == 200
assert get_job.sync(job_id, client=client).status == 404
print("done")
