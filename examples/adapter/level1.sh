#!/bin/sh
# Adapter of level 1 (sdk-shim/PROTOCOL.md); the client under test is curl itself.  Needs curl and jq.
set -eu

if [ "$1" = --hello ]; then
    echo '{"type":"hello","version":1,"name":"curl","language":"sh","client_version":"1","vendors":["hyperbrowser"],
           "capabilities":["sandbox.create","exec","protocol-a","sync"]}' | jq -c .
    exit
fi

case=$(cat)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# post URL HEADER BODY: the answer's body is in $folder/answer; prints the outcome of a call that failed.
post() {
    status=$(printf '%s' "$3" | curl -sS --max-time 30 -o "$folder/answer" -w '%{http_code}' -d @- \
        -H "$2" -H 'Content-Type: application/json' "$1" 2>"$folder/stderr") || {
        jq -nc --rawfile why "$folder/stderr" '{error: {kind: "connection", class: "curl", message: $why}}'
        return 1
    }
    [ "$status" = 200 ] && return
    jq -c --argjson status "$status" '{error: {kind: (if $status == 404 then "not_found" else "other" end),
        class: "curl", status: $status, message: .message, code: .code}}' "$folder/answer"
    return 1
}

create() {
    post "$STANDBOX_URL/api/sandbox" "x-api-key: $STANDBOX_TOKEN" "$(printf '%s' "$1" | jq -c '{imageName: .image}')" ||
        return 0
    cp "$folder/answer" "$folder/box"
    jq -c '{value: {id: .id, status: .status}}' "$folder/box"
}

run() {
    [ -e "$folder/box" ] || { echo '{"skipped":"there is no sandbox"}' && return; }
    post "$(jq -r .runtime.baseUrl "$folder/box")/exec" "Authorization: Bearer $(jq -r .token "$folder/box")" \
        "$(printf '%s' "$1" | jq -c '{command: .command}')" || return 0
    jq -c '{value: .result}' "$folder/answer"
}

printf '%s' "$case" | jq -c '.steps[]' >"$folder/steps"
while read -r step; do
    case $(printf '%s' "$step" | jq -r .op) in
        sandbox.create) outcome=$(create "$step") ;;
        exec) outcome=$(run "$step") ;;
        *) outcome='{"skipped":"curl has no such operation"}' ;;
    esac
    printf '%s' "$outcome" | jq -c --argjson step "$step" '{step: $step.step} + .'
done <"$folder/steps" >"$folder/outcomes"
printf '%s' "$case" | jq -c --slurpfile outcomes "$folder/outcomes" '{type: "result", seq: .seq, outcomes: $outcomes}'
