#!/bin/sh
# Runs every test: pytest on unit, store, system, cli and browser, trial on process. Arguments go to pytest.
# `./test.sh fast` runs the unit tests but those marked slow, and nothing else; what follows `fast` goes to pytest.
# All run whatever the others say; the last line sums them up, and the exit status is 0 only if nothing failed.
set -eu
cd -- "$(dirname -- "$0")"
. .ci/venv.sh

prepare requirements-test.txt
# Compiled tests are kept, whatever containers prefer: each process compiles and rewrites 400 files otherwise, which takes
# 4 s. Plugins that none of ours needs cost each process nearly 1 s.
unset PYTHONDONTWRITEBYTECODE
plain="-p no:schemathesis -p no:anyio"
if [ "${1-}" = fast ]; then
    shift
    # A process for each of two cores, and a quarter of the examples: what searches longer is for the whole run.
    export HYPOTHESIS_PROFILE="${HYPOTHESIS_PROFILE:-fast}"
    # shellcheck disable=SC2086  # `plain` is words
    exec .venv/bin/python -m pytest -q -n 2 --dist worksteal $plain -m "not slow" "$@" tests/unit
fi
scratch=$(mktemp -d)
beside=
trap '[ -z "$beside" ] || kill "$beside" 2>/dev/null || true; rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# NAME ARGUMENT...: leaves a report and a status by that name.
try() {
    name=$1
    shift
    # shellcheck disable=SC2086  # `measured` and `plain` are words, or none
    .venv/bin/python ${measured-} -m pytest $plain --junitxml="$scratch/$name.xml" "$@" && status=0 || status=$?
    echo "$status" >"$scratch/$name.status"
}

# The tests of processes, by trial. The status goes through a file: a pipe of POSIX sh tells only what tee said.
processes() {
    PYTHONPATH=$(pwd) .venv/bin/trial --temp-directory="$scratch/trial" tests.process 2>&1 && status=0 || status=$?
    echo "$status" >"$scratch/trial.status"
}

everything=yes
for argument in "$@"; do
    case $argument in -*) ;; *) everything= ;; esac
done
if [ "$everything" ]; then
    # Tests of whole daemons and of stores wait more than they work: three files of them at a time, in the order that
    # tests/conftest.py says, and others meanwhile. The cluster's exam needs all there is.
    {
        measured='-m coverage run'
        try unit "$@" tests/unit
        processes >"$scratch/trial.log"
        cat "$scratch/trial.log"
    } >"$scratch/beside.log" 2>&1 &
    beside=$!
    try whole -n 3 --dist loadfile --no-loadscope-reorder "$@" --ignore=tests/system/cluster \
        tests/system tests/cli tests/browser tests/store
    wait "$beside"
    beside=
    cat "$scratch/beside.log"
    try cluster "$@" tests/system/cluster
else
    try pytest "$@"
    processes | tee "$scratch/trial.log"
fi

# The floor is pyproject.toml's `fail_under`; a run of some tests measures nothing.
covered=0
if [ "$everything" ]; then
    percent=$(.venv/bin/python -m coverage report --format=total) || covered=$?
    echo "tests/unit covers, in percent of the statements: $percent"
fi
.venv/bin/python .ci/counts.py "$scratch"
exit "$covered"
