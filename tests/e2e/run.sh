#!/usr/bin/env bash
# Talks to real nodes with the clients that people have: of streams in Node.js, Python, Rust and curl, npm's
# `socket.io-client`, and pages in Chromium.
# The tests start the nodes that they need, all on one private PostgreSQL and Redis.
#
# Usage: run.sh ROWCAST [ARGUMENT...]: the program, and what else Node's test runner is to be told.
set -euo pipefail
rowcast=$(realpath "$1")
shift
cd "$(dirname "$0")"

# Clients come back at once, and nobody waits long for a node to go, for a chunk that is missing, or for a user who does
# not come back.
settings=(RETRY=100ms DRAIN=100ms SESSION_MISSING_CHUNK_TIMEOUT=100ms SESSION_REAP_INTERVAL=100ms
    PRESENCE_TTL=2s PRESENCE_GRACE=300ms PRESENCE_SWEEP=100ms)
. ../private_node.sh

export SETTINGS="${settings[*]}" ROWCAST=$rowcast CHROMIUM=${CHROMIUM:-$(command -v chromium)}
export PYTHON=${PYTHON:-$PWD/../../target/venv/bin/python}
export RUST_READER=${RUST_READER:-$PWD/../../target/e2e-rust/debug/rowcast-reader}
DATABASE_URL=$(sed -n 's/^  database  psql //p' "$private/said")
REDIS_URL=$(sed -n 's/^  redis     redis-cli -u //p' "$private/said")
export DATABASE_URL REDIS_URL
node --test --test-reporter=spec "$@" ./*.test.mjs
