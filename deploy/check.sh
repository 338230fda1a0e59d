#!/usr/bin/env bash
# Checks the files here as far as it goes without a cluster, with the programs that read them.
#
# Needs python3 with venv, for kubernetes-validate; everything else is used if it is there: promtool (where it is not,
# Debian's package of Prometheus is fetched), kubectl, docker compose, haproxy, nginx. At the end it says what it could not
# check.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/${VENV:-target/venv}
unchecked=()

# promtool comes with Debian's prometheus: unpacked, not installed, since that would start a server.
promtool=$(command -v promtool || true)
if [[ -z $promtool ]] && command -v apt-get dpkg >/dev/null; then
    mkdir -p target/prometheus
    if (cd target/prometheus && { ls prometheus_*.deb >/dev/null 2>&1 || apt-get download -qq prometheus; }); then
        dpkg -x target/prometheus/prometheus_*.deb target/prometheus
        promtool=$PWD/target/prometheus/usr/bin/promtool
    fi
fi
if [[ -n $promtool ]]; then
    "$promtool" check config deploy/prometheus/prometheus.yml
    "$promtool" test rules deploy/prometheus/alerts_test.yml
else
    unchecked+=("deploy/prometheus: no promtool")
fi

rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT
if command -v kubectl >/dev/null; then
    for folder in kubernetes kubernetes/migrate; do
        kubectl kustomize "deploy/$folder" >"$rendered/${folder////-}.yaml"
    done
else
    unchecked+=("kustomization.yaml: no kubectl")
    cp deploy/kubernetes/[!k]*.yaml deploy/kubernetes/migrate/job.yaml "$rendered"
fi
"$venv/bin/kubernetes-validate" --strict --quiet "$rendered"/*.yaml deploy/kubernetes/examples/ingress.yaml
unchecked+=("examples/route.yaml, examples/service-monitor.yaml: the cluster brings their schemas")

for file in docker-compose.yml deploy/compose/production.yml; do
    if docker compose version >/dev/null 2>&1; then
        POSTGRES_PASSWORD=x ROWCAST_PASSWORD=x REDIS_PASSWORD=x JWT_SECRET=x \
            docker compose -f docker-compose.yml -f "$file" config --quiet
    else
        unchecked+=("$file: no docker compose")
    fi
done
if command -v haproxy >/dev/null; then
    haproxy -c -q -f deploy/compose/haproxy.cfg
else
    unchecked+=("haproxy.cfg: no haproxy")
fi
if command -v nginx >/dev/null; then
    printf 'pid %s/pid; error_log stderr; events {} http { include %s/deploy/nginx/rowcast.conf; }' \
        "$rendered" "$PWD" >"$rendered/nginx"
    nginx -t -q -c "$rendered/nginx"
else
    unchecked+=("rowcast.conf: no nginx")
fi

echo "What was checked is well."
printf 'NOT CHECKED: %s\n' "${unchecked[@]}"
