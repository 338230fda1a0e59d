# The commands of daily work. The machine needs cargo; PostgreSQL and Redis come with `make services`.

PORT ?= 8000
FILE ?=
PROFILE ?= release
SEED ?=
ONLY ?=

# A shell that was opened before rustup ran does not know cargo yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

VENV = target/venv
CLIENTS = tests/e2e/node_modules/.package-lock.json
TYPESCRIPT = $(patsubst %,tests/clients/%/node_modules/.package-lock.json,openapi-typescript typescript-fetch)
LINT = tests/contract/node_modules/.package-lock.json
RIVAL = benches/rivals/socketio/node_modules/.package-lock.json

DENY_VERSION = 0.20.2
DENY ?= target/tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny

ROWCAST = cargo run --locked --profile $(PROFILE) --

.PHONY: help run demo test stress bench fuzz contract clients e2e deploy-check audit services python node browser java

help: ## Print this list.
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

run: services ## Start PostgreSQL, Redis and Rowcast on this machine, on PORT (8000); Ctrl-C ends all three.
	PORT=$(PORT) $(ROWCAST) dev

demo: ## Post the messages of FILE, or a few built-in ones, to the server that runs on PORT (8000).
	ROWCAST_URL=$${ROWCAST_URL:-http://127.0.0.1:$(PORT)} $(ROWCAST) demo $(if $(FILE),'$(FILE)')

test: services ## Check format and lints, then run every test against real servers.
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --test stress --bench bench --bench micro -- -D warnings
	cargo test --locked

stress: SECONDS ?= 600
stress: services ## Play every fault at full size for about SECONDS (600), with the dice of SEED, or ONLY those with this text.
	STRESS_SECONDS='$(SECONDS)' STRESS_SEED='$(SEED)' STRESS_ONLY='$(ONLY)' cargo test --locked --release --test stress

bench: ROUNDS ?= 3
bench: services $(RIVAL) ## Ours beside a bare loop and every peer that is installed: the median of ROUNDS (3), or ONLY these questions.
	BENCH_ROUNDS='$(ROUNDS)' BENCH_ONLY='$(ONLY)' cargo bench --locked --bench bench
	@if [ -z '$(ONLY)' ]; then cargo bench --locked --bench micro; fi

fuzz: SECONDS ?= 60
fuzz: ## Fuzz each parser for SECONDS (60) each; needs a nightly toolchain and cargo-fuzz.
	@set -e; for target in $$(cargo +nightly fuzz list); do \
	  mkdir -p fuzz/corpus/$$target; \
	  cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(SECONDS); \
	done

contract: services $(VENV)/contract $(LINT) ## Check the OpenAPI document, and a private node against it, with Schemathesis.
	cargo build --locked
	tests/contract/lint.sh $${CARGO_TARGET_DIR:-target}/debug/rowcast $(VENV)/bin/openapi-spec-validator $(LINT:.package-lock.json=.bin/spectral)
	tests/contract/run.sh $${CARGO_TARGET_DIR:-target}/debug/rowcast $(VENV)/bin/schemathesis

clients: services java $(VENV)/clients $(TYPESCRIPT) ## Generate clients from a private node's OpenAPI document, and run a program with each.
	cargo build --locked
	PATH=$(abspath $(VENV)/bin):$$PATH tests/clients/run.sh $${CARGO_TARGET_DIR:-target}/debug/rowcast

e2e: services $(CLIENTS) $(VENV)/e2e ## Talk to private nodes with the clients that people have, in Node.js, Python, Rust, curl and Chromium.
	cargo build --locked
	cargo build --locked --manifest-path tests/e2e/readers/rust/Cargo.toml --target-dir target/e2e-rust
	tests/e2e/run.sh $${CARGO_TARGET_DIR:-target}/debug/rowcast

deploy-check: $(VENV)/deploy ## Check the files in deploy/ with what is there of promtool, kubectl, docker, haproxy and nginx.
	VENV=$(VENV) deploy/check.sh

audit: $(DENY) ## Hold the dependencies against deny.toml: licences, sources, known vulnerabilities.
	cargo fetch --locked
	$(DENY) --offline check licenses bans sources
	@$(DENY) fetch db >/dev/null 2>&1 || \
	  echo 'The database of vulnerabilities cannot be had now: what is here may be old, or missing.' >&2
	@if ls $${CARGO_HOME:-$(HOME)/.cargo}/advisory-dbs/*/.git >/dev/null 2>&1; \
	then $(DENY) --offline check advisories; \
	else echo 'NOT CHECKED: known vulnerabilities (advisories).' >&2; fi

# It is built without optimization, which would take longer than all that it checks.
target/tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny:
	cargo install --locked --debug --root target/tools/cargo-deny-$(DENY_VERSION) --version $(DENY_VERSION) cargo-deny

# Python's programs are for these checks only, each at the version that they were written with.
$(VENV)/contract: TOOLS = schemathesis==4.32.5 openapi-spec-validator==0.9.0
$(VENV)/clients: TOOLS = openapi-generator-cli==7.26.0 openapi-python-client==0.29.1 httpx-sse==0.4.3 mypy==2.4.1
$(VENV)/deploy: TOOLS = kubernetes-validate==1.37.0
$(VENV)/e2e: TOOLS = httpx==0.28.1 httpx-sse==0.4.3 redis==8.1.0 'psycopg[binary]==3.3.9'
$(VENV)/contract $(VENV)/clients $(VENV)/deploy $(VENV)/e2e: Makefile | python
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet $(TOOLS)
	touch $@

$(CLIENTS): tests/e2e/package-lock.json | browser
	npm ci --prefix tests/e2e --ignore-scripts --no-audit --no-fund
	touch $@

$(LINT) $(TYPESCRIPT): %/node_modules/.package-lock.json: %/package-lock.json | node
	npm ci --prefix $* --ignore-scripts --no-audit --no-fund
	touch $@

# Without it the benchmark does without socket.io, and says so.
$(RIVAL): benches/rivals/socketio/package-lock.json
	@command -v npm >/dev/null && npm ci --prefix benches/rivals/socketio --ignore-scripts --no-audit --no-fund && touch $@ || \
	  echo 'There is no npm, or it could not install socket.io: it will not be measured.' >&2

services: ## Install with apt-get what is missing: the server programs of PostgreSQL and Redis, and curl.
	@set -e; missing=; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing=postgresql; \
	command -v redis-server >/dev/null || command -v valkey-server >/dev/null || missing="$$missing redis-server"; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	$(INSTALL)

python:
	@set -e; missing=; \
	python3 -c 'import ensurepip' 2>/dev/null || missing=python3-venv; \
	$(INSTALL)

node:
	@set -e; missing=; \
	command -v node >/dev/null || missing=nodejs; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	$(INSTALL)

browser: node
	@set -e; missing=; \
	command -v chromium >/dev/null || missing=chromium; \
	$(INSTALL)

java:
	@set -e; missing=; \
	command -v javac >/dev/null || missing=default-jdk-headless; \
	$(INSTALL)

# Installs with apt-get what the variable `missing` of the shell names.
define INSTALL
if [ -z "$$missing" ]; then exit; fi; \
fail() { echo "Not installed, and needed: $$missing. $$1 Please install it by hand." >&2; exit 1; }; \
command -v apt-get >/dev/null || fail "There is no apt-get on this machine."; \
sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
[ -z "$$sudo" ] || command -v sudo >/dev/null || fail "There is no sudo to do it with."; \
echo "Installing $$missing"; \
$$sudo apt-get update -qq; \
$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing
endef
