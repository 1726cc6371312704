#!/bin/sh
# Runs every test: pytest on unit, store, system and cli, then trial on process. Arguments go to pytest.
# `./test.sh fast` runs the unit tests but those marked slow, and nothing else; what follows `fast` goes to pytest.
# All run whatever the others say; the last line sums them up, and the exit status is 0 only if nothing failed.
set -eu
cd -- "$(dirname -- "$0")"
. .ci/venv.sh

prepare requirements-test.txt
if [ "${1-}" = fast ]; then
    shift
    # A process for each of two cores, and a quarter of the examples: what searches longer is for the whole run.
    export HYPOTHESIS_PROFILE="${HYPOTHESIS_PROFILE:-fast}"
    # Compiled tests are kept, whatever containers prefer: each process compiles and rewrites 400 files otherwise, which
    # takes 4 s. Plugins of other tests cost each process nearly 1 s.
    unset PYTHONDONTWRITEBYTECODE
    exec .venv/bin/python -m pytest -q -n 2 --dist worksteal -p no:schemathesis -p no:anyio -m "not slow" "$@" tests/unit
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
    # shellcheck disable=SC2086  # `measured` is words, or none
    .venv/bin/python ${measured-} -m pytest --junitxml="$scratch/$name.xml" "$@" && status=0 || status=$?
    echo "$status" >"$scratch/$name.status"
}

everything=yes
for argument in "$@"; do
    case $argument in -*) ;; *) everything= ;; esac
done
if [ "$everything" ]; then
    # Tests of whole daemons wait more than they work: two files of them at a time, and others run meanwhile. The order is
    # that of tests/system/conftest.py. The cluster's exam needs all there is.
    {
        measured='-m coverage run'
        try unit "$@" tests/unit
        measured=
        try store "$@" tests/store
    } >"$scratch/beside.log" 2>&1 &
    beside=$!
    try system -n 2 --dist loadfile --no-loadscope-reorder "$@" tests/system --ignore=tests/system/cluster
    try cli "$@" tests/cli
    wait "$beside"
    beside=
    cat "$scratch/beside.log"
    try cluster "$@" tests/system/cluster
    try browser "$@" tests/browser
else
    try pytest "$@"
fi

if [ -d tests/process ]; then
    # The status goes through a file: a pipe of POSIX sh tells only what tee said.
    {
        PYTHONPATH=$(pwd) .venv/bin/trial --temp-directory="$scratch/trial" tests.process 2>&1 && status=0 || status=$?
        echo "$status" >"$scratch/trial.status"
    } | tee "$scratch/trial.log"
fi

# The floor is pyproject.toml's `fail_under`; a run of some tests measures nothing.
covered=0
if [ "$everything" ]; then
    percent=$(.venv/bin/python -m coverage report --format=total) || covered=$?
    echo "tests/unit covers, in percent of the statements: $percent"
fi
.venv/bin/python .ci/counts.py "$scratch"
exit "$covered"
