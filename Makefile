# `make up` runs everything here; `make test` and `make check` prove it. See CONTRIBUTING.md.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
LOAD ?= on
PYTEST_ARGS ?=
BENCH ?=
DRILL ?=

.PHONY: help up test check bench drill lock format clean system test-system

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

# The stamp is written last: an interrupted installation is started again.
.venv/ready: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sluice needs Python 3.11 or newer; set PYTHON=")'
	@$(PYTHON) -m venv .venv || { echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing Python packages into .venv"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch .venv/ready

system:
	@scripts/system-packages prometheus=prometheus redis-server=redis-server

test-system: system
	@scripts/system-packages chromium=chromium docker-compose=docker-compose curl=curl jq=jq prometheus-alertmanager=prometheus-alertmanager
	@scripts/postgresql-program >/dev/null 2>&1 || scripts/system-packages postgres-missing=postgresql
	@scripts/system-packages wrk=wrk h2load=nghttp2-client nginx=nginx haproxy=haproxy unshare=util-linux ip=iproute2

up: .venv/ready system ## the whole system on this machine, in the foreground
	@LOAD=$(LOAD) exec $(BIN)/python -m lab.stack

test: .venv/ready test-system ## every test: the database tests on PostgreSQL, then all on SQLite with the real parts
	@$(BIN)/python scripts/test.py $(PYTEST_ARGS)

check: .venv/ready ## format, lint, types, import contracts, migrations, generated documents
	@scripts/system-packages promtool=prometheus
	@$(BIN)/python scripts/check.py

bench: .venv/ready system ## every benchmark beside what it is compared with: a table and var/bench.json; BENCH=NAME runs one
	@scripts/system-packages wrk=wrk h2load=nghttp2-client nginx=nginx haproxy=haproxy taskset=util-linux
	@scripts/postgresql-program >/dev/null 2>&1 || scripts/system-packages postgres-missing=postgresql
	@$(BIN)/python -m bench $(BENCH)

drill: .venv/ready ## one failure mode against the running lab, without its defence and with it: DRILL=retry-storm; without DRILL, their list
	@exec $(BIN)/python manage.py drill $(DRILL)

format: .venv/ready ## put the code in order
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix .

lock: .venv/ready ## pin pyproject.toml's dependencies, with hashes and no index address
	@$(BIN)/pip-compile -q --generate-hashes --strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.txt pyproject.toml
	@$(BIN)/pip-compile -q --generate-hashes --strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --extra dev -o requirements-dev.txt pyproject.toml
	@touch .venv/ready

clean: ## remove the environment and all state
	rm -rf .venv var
