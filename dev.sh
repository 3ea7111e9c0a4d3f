#!/usr/bin/env bash
# Everything a developer runs, from a fresh clone on. Needs git and Python >= 3.10; the rest it sets up.
#
#   bash dev.sh quickstart          run notebooks/quickstart.ipynb as a pipeline on this machine
#   bash dev.sh test                lint, unit, integration and end-to-end tests, with coverage
#   bash dev.sh test SUITE [ARG]... one of lint, unit, integration, e2e, benchmarks; ARGs go to pytest
#   bash dev.sh setup               only make .venv, with all that development needs
#   bash dev.sh lock                choose the versions in tests/constraints.txt anew
#
# PYTHON names the interpreter to make .venv with; JUPYTER_KFP_VENV another place for it.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$root"
venv="${JUPYTER_KFP_VENV:-$root/.venv}"
constraints=tests/constraints.txt

say() { printf '%s\n' "$*" >&2; }
fail() { say "dev.sh: $*"; exit 1; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

# The first interpreter that is new enough.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "Python 3.10 or newer is needed, and ${PYTHON:-python3} is not. Set PYTHON to one that is."
}

# Debian keeps what `python3 -m venv` needs in a package of its own.
install_venv_package() {
    local become=()
    if [ "$(id -u)" != 0 ]; then
        become=(sudo)
        [ -t 0 ] || become+=(-n)
    fi
    say "This Python cannot make virtual environments; installing Debian's package python3-venv."
    if ! command -v apt-get >/dev/null ||
        ! { "${become[@]}" apt-get update -q && "${become[@]}" apt-get install -q -y python3-venv; } </dev/null >&2; then
        fail "python3-venv could not be installed. Install it (as root: apt-get install python3-venv) and repeat."
    fi
}

make_venv() {
    local python
    python="$(find_python)"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        install_venv_package
    fi
    say "Making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c "$constraints" uv
}

# setup EXTRA: .venv with the package (editable) and one of its extras, unless that is done already.
setup() {
    local extra=$1 key stamp
    key="$(cat pyproject.toml "$constraints" | sha256sum)"
    for stamp in "$venv/.installed-$extra" "$venv/.installed-dev"; do
        if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then
            return
        fi
    done
    if ! "$venv/bin/python" -c 'import uv' 2>/dev/null; then
        make_venv
    fi
    say "Installing jupyter-kfp[$extra] into $venv"
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -c "$constraints" -e ".[$extra]"
    printf '%s\n' "$key" >"$venv/.installed-$extra"
}

quickstart() {
    setup gallery
    # `jupyter kfp` finds its subcommand beside `jupyter`.
    PATH="$venv/bin:$PATH" jupyter kfp run notebooks/quickstart.ipynb "$@"
    say
    say "The same from a shell with the environment active (source $venv/bin/activate):"
    say "    jupyter kfp run notebooks/quickstart.ipynb -p trees=50"
    say "    jupyter kfp runs"
}

run_tests() {
    local suite=${1:-} options=(--durations=15)
    case "$suite" in
    lint | unit | integration | e2e)
        shift
        options+=("tests/$suite")
        ;;
    benchmarks)
        shift
        options=(tests/benchmarks)
        ;;
    "" | -*)
        options+=(--numprocesses=2 --dist=worksteal --cov --cov-report=term:skip-covered)
        ;;
    *) fail "there is no suite '$suite'; take lint, unit, integration, e2e or benchmarks." ;;
    esac
    setup dev
    PATH="$venv/bin:$PATH" exec "$venv/bin/python" -m pytest "${options[@]}" "$@"
}

lock() {
    setup dev
    # Universal: one file for every Python and system. No Python is fetched for it.
    "$venv/bin/uv" pip compile --universal --python-version 3.10 --no-python-downloads --upgrade --quiet \
        --no-header --no-annotate --all-extras pyproject.toml --output-file "$constraints"
}

command=${1:-help}
[ $# = 0 ] || shift
case "$command" in
setup) setup dev ;;
quickstart) quickstart "$@" ;;
test) run_tests "$@" ;;
lock) lock ;;
help | -h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
