#!/bin/sh
# Runs every test: pytest on unit, store and system, then trial on process. Arguments go to pytest.
# Both run whatever the other says; the last line sums them up, and the exit status is 0 only if nothing failed.
set -eu
cd -- "$(dirname -- "$0")"
. .ci/venv.sh

prepare requirements-test.txt
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

.venv/bin/python -m pytest --junitxml="$scratch/pytest.xml" "$@" && status=0 || status=$?
echo "$status" >"$scratch/pytest.status"

if [ -d tests/process ]; then
    # The status goes through a file: a pipe of POSIX sh tells only what tee said.
    {
        PYTHONPATH=$(pwd) .venv/bin/trial --temp-directory="$scratch/trial" tests.process 2>&1 && status=0 || status=$?
        echo "$status" >"$scratch/trial.status"
    } | tee "$scratch/trial.log"
fi

.venv/bin/python .ci/counts.py "$scratch"
