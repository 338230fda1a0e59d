#!/usr/bin/env bash
# Reads the OpenAPI document with other eyes: it must be OpenAPI 3 to a validator, in both its forms, and Spectral must have
# nothing to say of it, not even a hint.
#
# Usage: lint.sh ROWCAST VALIDATOR SPECTRAL: the three programs.
set -euo pipefail
rowcast=$1 validator=$2 spectral=$3
here=$(dirname "$0")

document=$(mktemp -d)
trap 'rm -rf "$document"' EXIT
"$rowcast" openapi >"$document/openapi.json"
"$rowcast" openapi --yaml >"$document/openapi.yaml"
"$validator" "$document/openapi.json" "$document/openapi.yaml"
"$spectral" lint --ruleset "$here/spectral.yaml" --fail-severity hint --fail-on-unmatched-globs \
    "$document/openapi.json" "$document/openapi.yaml"
