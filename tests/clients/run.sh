#!/usr/bin/env bash
# Generates clients from the OpenAPI document that a private node serves, each with a generator that people use, and runs a
# program that is written with it against that node.
#
# Usage: run.sh ROWCAST [CLIENT...]: the program, and the directories here of the clients to run; all of them, if none is named.
set -euo pipefail
rowcast=$(realpath "$1")
shift
cd "$(dirname "$0")"

settings=()
. ../private_node.sh

[ $# -gt 0 ] || set -- */run
passed=0 failed=0
for client in "${@%/run}"; do
    began=$SECONDS
    if "$client/run" "$url" >"$private/output" 2>&1; then
        echo "$client: ok ($((SECONDS - began)) s)"
        passed=$((passed + 1))
    else
        cat "$private/output"
        echo "$client: failed"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
