#!/usr/bin/env bash
# Says hello, and for which job and due time it was started.

echo "foo: hello from ${JOBSCHED_JOB_NAME:-nobody}"
echo "foo: due ${JOBSCHED_DUE:-never}, and it is $(date --iso-8601=seconds)"
echo "foo: done"
