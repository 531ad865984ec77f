# shellcheck shell=bash
# Sourced by each story's run.sh.  Makes what is missing (the server, the SDK), starts a server of the story's own on a
# free port with its scenario, and stops it at the end.
set -euo pipefail
story=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
examples=$(dirname "$story")
top=$(dirname "$examples")
server=${STANDBOX_SERVER:-$top/build/release/bin/standbox-mockserver}
python=${STANDBOX_PYTHON:-$top/build/e2e/venv/bin/python}

# The value of a text in the server's ready line.
ready_field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$ready"; }

stop_server() {
    kill "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    rm -rf "$scratch"
}

start_server() {
    [ -x "$server" ] || "$top/script/server" --version >&2 # builds it
    scratch=$(mktemp -d)
    mkfifo "$scratch/ready"
    "$server" --http 127.0.0.1:0 --scenario "$story/scenario.json" >"$scratch/ready" 2>"$scratch/log" &
    server_pid=$!
    trap stop_server EXIT
    if ! IFS= read -r ready <"$scratch/ready"; then
        cat "$scratch/log" >&2
        exit 1
    fi
    export HYPERBROWSER_BASE_URL HYPERBROWSER_API_KEY=example STANDBOX_ADMIN STANDBOX_ADMIN_TOKEN
    export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
    HYPERBROWSER_BASE_URL=$(ready_field http)
    STANDBOX_ADMIN=$(ready_field admin)
    STANDBOX_ADMIN_TOKEN=$(ready_field admin_token)
}

# The story, told with the real Python SDK.
tell() {
    if [ ! -x "$python" ]; then
        "$top/script/bootstrap" --for test >&2
        "$top/sdk-shim/tests/run" --lane python --set-up >&2
    fi
    PYTHONPATH=$examples PYTHONDONTWRITEBYTECODE=1 "$python" "$story/client.py"
}
