# shellcheck shell=sh
# Sourced by debug.sh, test.sh and .ci/run, in the project's folder: makes .venv and installs into it, once.
# POSIX sh; the caller has said `set -eu`.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# Prints the command of a Python that can make .venv, or says in one line what is missing.
find_python() {
    lacking=
    for python in python3.11 python3 python3.12 python3.13 python3.14; do
        # Run, not only looked up: a pyenv shim is on the PATH for Pythons that are not there.
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        # Debian ships venv without ensurepip, which it needs.
        if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$python"
            return
        fi
        lacking=${lacking:-$python}
    done
    if [ -n "$lacking" ]; then
        say "$lacking has no venv; on Debian and Ubuntu: apt-get install python3-venv"
    else
        say "Python 3.11 or newer is needed, as python3.11 or python3 on the PATH"
    fi
    return 1
}

# Whether .venv can be installed into: not cut short on the way, nor moved or copied, nor left by its Python.
usable() {
    [ ! -e .venv/unfinished ] || return 1
    .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || return 1
    home=$(.venv/bin/pip --version 2>/dev/null) || return 1
    home=${home#* from }
    [ "$(cd "${home%/lib/*}" && pwd -P)" = "$(pwd -P)/.venv" ]
}

# prepare FILE: what the requirements file pins, and the project itself, editable.
# Does nothing if .venv's stamp says that it is done; `unfinished` makes an install that was cut short start afresh,
# for pip takes a package that lacks its last files for an installed one.
prepare() {
    wanted="$(cat requirements.txt "$1" setup.py | cksum) $(pwd -P)"
    stamp=.venv/$1.stamp
    # The import fails when the system's Python has become another one under .venv.
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c 'import attrs' 2>/dev/null; then
        return
    fi
    if ! usable; then
        python=$(find_python)
        say "making .venv with $python"
        "$python" -m venv --clear .venv
    fi
    rm -f .venv/*.stamp
    : >.venv/unfinished
    say "installing $1 into .venv, once"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$1"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
    echo "$wanted" >"$stamp"
    rm .venv/unfinished
}
