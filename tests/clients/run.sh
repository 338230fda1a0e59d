#!/usr/bin/env bash
# Generates clients from the OpenAPI document that a private node serves, each with a generator that people use, and runs a
# program that is written with it against that node.
#
# Usage: run.sh ROWCAST [CLIENT...]: the program, and which clients, by their directories here; without a name, all.
set -euo pipefail
rowcast=$(realpath "$1")
shift
cd "$(dirname "$0")"

# Seconds in which a client may compile all that it needs, and run: one that waits for an answer for ever has failed.
deadline=900

settings=()
. ../private_node.sh

[ $# -gt 0 ] || set -- */run
passed=0 failed=0
for client in "${@%/run}"; do
    began=$SECONDS
    if timeout --foreground "$deadline" "$client/run" "$url" >"$private/output" 2>&1; then
        verdict=ok passed=$((passed + 1))
    else
        cat "$private/output"
        verdict=failed failed=$((failed + 1))
    fi
    echo "$client: $verdict ($((SECONDS - began)) s)"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
