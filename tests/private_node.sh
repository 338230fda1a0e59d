# To be sourced: starts a private node of the program $rowcast on a free port, with the settings in the array $settings,
# and a PostgreSQL and a Redis of its own, in the new directory $private. All of it is gone when the script ends. Sets
# $url; what the node has printed is in $private/said.
private=$(mktemp -d)
touch "$private/said"
env -i PATH="$PATH" HOME="$private" LOG=warn "${settings[@]}" \
    "$rowcast" dev --dir "$private/dev" --port 0 >"$private/said" &
node=$!
trap 'kill "$node"; wait "$node" || true; rm -rf "$private"' EXIT

for _ in {1..300}; do
    if grep -q '^Ctrl-C' "$private/said" || ! kill -0 "$node"; then break; fi
    sleep 0.1
done
url=$(sed -n 's/^listening on //p' "$private/said")
: "${url:?the node did not start}"
