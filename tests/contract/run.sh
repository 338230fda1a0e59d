#!/usr/bin/env bash
# Checks a private node against the OpenAPI document that it serves: Schemathesis sends what the document allows and what it
# does not, and every answer must be one that the document tells of, in its form; none may be a failure of the server.
#
# Usage: run.sh ROWCAST SCHEMATHESIS: the two programs.
set -euo pipefail
rowcast=$(realpath "$1") schemathesis=$(realpath --no-symlinks "$2")
here=$(realpath "$(dirname "$0")")

# All that is asked of the model comes from one address.
settings=(RATE_CHAT=1000/1s LLM_ECHO_PACE=0s)
. "$here/../private_node.sh"

# It keeps notes where it runs, so it runs there, too.
cd "$private"
SCHEMATHESIS_HOOKS=hooks PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here \
    "$schemathesis" --config-file "$here/schemathesis.toml" run "$url/openapi.json" --checks all
