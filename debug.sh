#!/bin/sh
# Starts Jobsched from this checkout in the foreground, with conf/ and tasks/ as they are; installs what it needs once.
# What is given on the command line goes to `twistd jobsched`: ./debug.sh --listen tcp:8080:interface=127.0.0.1
set -eu
cd -- "$(dirname -- "$0")"
. .ci/venv.sh

prepare requirements.txt
exec .venv/bin/twistd -n --pidfile= jobsched --conf-dir conf --tasks-dir tasks "$@"
