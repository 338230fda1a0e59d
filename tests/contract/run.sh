#!/usr/bin/env bash
# Checks a private node against the OpenAPI document that it serves: Schemathesis sends what the document allows and what it
# does not, and every answer must be one that the document tells of, in its form; none may be a failure of the server.
#
# Usage: run.sh ROWCAST SCHEMATHESIS: the two programs.
set -euo pipefail
rowcast=$(realpath "$1") schemathesis=$(realpath --no-symlinks "$2")
here=$(realpath "$(dirname "$0")")

private=$(mktemp -d)
cd "$private"
touch "$private/said"
env -i PATH="$PATH" HOME="$private" LOG=warn "$rowcast" dev --dir "$private/dev" --port 0 >"$private/said" &
node=$!
trap 'kill "$node"; wait "$node" || true; rm -rf "$private"' EXIT

url=
for _ in {1..300}; do
    url=$(sed -n 's/^listening on //p' "$private/said")
    if [[ -n $url ]] || ! kill -0 "$node"; then break; fi
    sleep 0.1
done
# It keeps notes where it runs, so it runs there, too.
SCHEMATHESIS_HOOKS=hooks PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here \
    "$schemathesis" --config-file "$here/schemathesis.toml" run "${url:?the node did not start}/openapi.json" --checks all
