#!/usr/bin/env bash
# The API without an SDK: three requests with curl, and one to the admin API.
# shellcheck source=examples/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
start_server

# text NAME: the first text or number of that name in the JSON on stdin.
text() { grep -oE "\"$1\":(\"[^\"]*\"|[0-9]+)" | head -n1 | sed -E 's/^[^:]*:"?([^"]*)"?$/\1/'; }

surprises=0
expect() {
    echo "$1: $2"
    [ "$2" = "$3" ] || { echo "NOT $1: expected $3" && surprises=$((surprises + 1)); }
}

json='Content-Type: application/json'
box=$(curl -sS "$HYPERBROWSER_BASE_URL/api/sandbox" -H "x-api-key: $HYPERBROWSER_API_KEY" -H "$json" \
    -d '{"imageName":"node"}')
runtime=$(text baseUrl <<<"$box")
token=$(text token <<<"$box")

result=$(curl -sS --max-time 20 "$runtime/exec" -H "Authorization: Bearer $token" -H "$json" \
    -d '{"command":"start-daemon"}')
echo "$result"
expect "status" "$(text status <<<"$result")" exited
expect "exit code" "$(text exit_code <<<"$result")" 0
expect "stdout" "$(text stdout <<<"$result")" 'daemon started\n'

# The daemon takes its name when it runs, which may be after the answer.
for _ in {1..50}; do
    truth=$(curl -sS "$STANDBOX_ADMIN/processes" -H "X-Standbox-Token: $STANDBOX_ADMIN_TOKEN")
    [[ $truth != *'"comm":"daemon"'* ]] || break
    sleep 0.1
done
expect "the daemon lives" "$(grep -o '"comm":"daemon"' <<<"$truth" | sort -u)" '"comm":"daemon"'
expect "and holds the pipe" "$(grep -o '"outputHeld":true' <<<"$truth")" '"outputHeld":true'

[ "$surprises" = 0 ] && echo "as expected" || { echo "something else happened" && exit 1; }
