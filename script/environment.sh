# Sourced by the other scripts: makes a virtual environment from a lock file, once per lock file.
#
#   prepare NAME LOCK    after it, "$python" is the interpreter of the environment $root/NAME
#
#   prepare_node         after it, $root/.venv-node holds the packages of tests/javascript, if it can
#
# PYTHON names the interpreter to use; PYTHON_FIRST one that is taken if it can be.
#
# The environment's stamp is a hash of the lock file, the project's metadata and the interpreter;
# while it fits, nothing is installed and no network is needed.

# Processes are started by the hundred: each would compile the whole product anew.
unset PYTHONDONTWRITEBYTECODE

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

fail() {
    echo "$(basename "$0"): $1" >&2
    exit 1
}

find_python() {
    for candidate in ${PYTHON:-} ${PYTHON_FIRST:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

prepare() {
    base=$(find_python) || fail "Python 3.11 or later with venv is needed (Debian, Ubuntu: apt install python3-venv); install it or name it with PYTHON=/path/to/python3"
    directory=$root/$1
    lock=$root/requirements/$2
    python=$directory/bin/python
    stamp=$directory/.installed
    wanted=$("$base" - "$lock" "$root/pyproject.toml" "$root" <<'PYTHON'
import hashlib, sys, tomllib
lock, metadata, root = sys.argv[1:]
with open(metadata, "rb") as file:
    project = tomllib.load(file)["project"]
with open(lock, "rb") as file:
    print(hashlib.sha256(f"{sys.version} {root} {project}".encode() + file.read()).hexdigest())
PYTHON
    )
    if [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    # Two scripts started together on a fresh clone take turns.
    if command -v flock >/dev/null 2>&1; then
        exec 9>"$root/.venv-lock"
        flock 9
        if [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
            exec 9>&-
            return
        fi
    fi
    echo "$(basename "$0"): installing $2 into $1 (once)" >&2
    rm -f "$stamp"
    if ! "$python" -c '' 2>/dev/null; then
        "$base" -m venv --clear "$directory" >/dev/null ||
            fail "cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv"
    fi
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
    export PIP_DISABLE_PIP_VERSION_CHECK PIP_ROOT_USER_ACTION
    # The lock names everything: with --no-deps pip takes its word instead of looking for newer
    # releases of what is named with extras, which a lock with hashes then refuses.
    # Most of what developers need is never imported: Python compiles what is.
    compile=
    [ "$1" != .venv-dev ] || compile=--no-compile
    # shellcheck disable=SC2086
    "$python" -m pip install --quiet --no-input --no-deps --require-hashes $compile --requirement "$lock" ||
        fail "installing requirements/$2 failed; the reason stands above"
    "$python" -m pip install --quiet --no-input --no-deps --no-build-isolation --editable "$root" ||
        fail "installing workpost itself failed; the reason stands above"
    echo "$wanted" >"$stamp"
    if command -v flock >/dev/null 2>&1; then
        exec 9>&-
    fi
}

# Without node, npm or a registry the tests that need the packages are skipped and say so.
prepare_node() {
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || return 0
    packages=$root/.venv-node
    if cmp -s "$root/tests/javascript/package-lock.json" "$packages/package-lock.json"; then
        return 0
    fi
    echo "$(basename "$0"): installing tests/javascript into .venv-node (once)" >&2
    fresh=$packages.$$
    mkdir "$fresh"
    cp "$root/tests/javascript/package.json" "$root/tests/javascript/package-lock.json" "$fresh"
    if timeout 120 npm ci --prefix "$fresh" --ignore-scripts --no-audit --no-fund --silent \
        </dev/null >&2; then
        rm -rf "$packages"
        # Of two scripts started together one is too late, which does not matter.
        mv -T "$fresh" "$packages" 2>/dev/null || rm -rf "$fresh"
    else
        rm -rf "$fresh"
        echo "$(basename "$0"): npm could not install them; their tests are skipped" >&2
    fi
}
