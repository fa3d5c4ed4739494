# `make demo` and `make test` are all that a new user types. Everything is installed into .venv from uv.lock.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
DENO := DENO_TLS_CA_STORE=system DENO_NO_UPDATE_CHECK=1 $(CURDIR)/$(BIN)/deno
FUNCTIONS := edge_webhook supabase/functions/stripe_webhook
# Options for a command, for example: make demo ARGS="--url https://example.supabase.co --key sb_secret_..."
ARGS ?=
# The tests that share the cores, then those that start stacks or measure times. Both run, whatever the first find.
TEST_SHARED := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadgroup -m "not alone" tests/unit tests/venues tests/database
TEST_ALONE := $(BIN)/pytest -m alone
# Demo and tests start many Python processes: where this is set, each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint format up down worker bench bench-latency bench-venues sim mutations sweeps migration conformance types test-postgres15 clean
.DEFAULT_GOAL := help

help: ## show what can be made
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: .venv/.ready ## install everything into .venv

.venv/.ready: uv.lock pyproject.toml scripts/bootstrap.py
	@if [ -z "$(PYTHON)" ]; then echo "setup: Python 3.11 or newer is needed; on Debian and Ubuntu run: apt-get install python3 python3-venv" >&2; exit 1; fi
	@$(PYTHON) scripts/bootstrap.py

demo: .venv/.ready ## watch alerts become orders, through the crash of a worker
	@$(BIN)/python -m scripts.demo $(ARGS)

test: .venv/.ready ## run every test, or with ARGS="tests/unit -k sealing" one pytest with these options
ifeq ($(strip $(ARGS)),)
	@for folder in $(FUNCTIONS); do (cd $$folder && $(DENO) task test) || exit 1; done
	@$(TEST_SHARED); shared=$$?; $(TEST_ALONE); alone=$$?; \
	if [ $$shared -ne 0 ]; then echo "make test: the first of the two runs of pytest failed; its summary is further up." >&2; fi; \
	[ $$shared -eq 0 ] && [ $$alone -eq 0 ]
else
	@$(BIN)/pytest $(ARGS)
endif

lint: .venv/.ready ## run every static check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint sql/schema
	$(BIN)/squawk supabase/migrations/*.sql
	$(BIN)/python -m scripts.database_lints check
	@for folder in $(FUNCTIONS) scripts/local_stack/server; do \
		echo "deno: $$folder"; (cd $$folder && $(DENO) task check && $(DENO) task lint && $(DENO) task fmt) || exit 1; done

format: .venv/.ready ## format Python and TypeScript
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format
	$(DENO) fmt --quiet $(FUNCTIONS) scripts/local_stack/server

up: .venv/.ready ## start the local stack, leave it running and show how to use it
	@$(BIN)/python -m scripts.playground up $(ARGS)

worker: .venv/.ready ## run a worker on the stack that `make up` started, until Ctrl-C
	@$(BIN)/python -m scripts.playground worker $(ARGS)

down: .venv/.ready ## stop what `make up` started; the data stays
	@$(BIN)/python -m scripts.playground down $(ARGS)

bench: .venv/.ready ## measure signals per second and waiting times, beside other queues; ARGS="--parts drain"
	@$(BIN)/python scripts/bootstrap.py bench
	@$(BIN)/python -m scripts.benchmarks.bench $(ARGS)

sim: .venv/.ready ## run seeded schedules of everything that may go wrong: SEEDS=10000, or SEED=123 SEEDS=1 for its events
	@$(BIN)/python -m tests.simulation.run --seeds $(or $(SEEDS),1000) --first $(or $(SEED),0) $(ARGS)

mutations: .venv/.ready ## take each guard away in turn, and show which seed of the simulation notices
	@$(BIN)/python -m tests.simulation.mutations $(ARGS)

bench-latency: .venv/.ready ## measure how long an alert waits before its order is begun
	@$(BIN)/python -m scripts.benchmarks.latency $(ARGS)

bench-venues: .venv/.ready ## measure what the venues cost a process: import, memory, signatures
	@$(BIN)/python -m scripts.benchmarks.venues $(ARGS)

sweeps: .venv/.ready ## kill and pause a worker at everything that it awaits; takes about an hour
	@SWEEP=all $(BIN)/pytest tests/integration/sweeps $(ARGS)

migration: ## write sql/schema/ into the migration, while nothing is released
	@cat sql/schema/*.sql > supabase/migrations/20261122000000_core.sql

conformance: .venv/.ready ## write what docs/venues/ tells of the adapters and their test suite
	@$(BIN)/python -m tests.venues.conformance_table
	@$(BIN)/python -m tests.venues.capabilities_table

types: .venv/.ready ## generate supabase/database.types.ts from sql/schema/
	@$(BIN)/python -m scripts.database_lints types

test-postgres15: .venv/.ready ## run the database's tests on Debian's PostgreSQL, which is version 15 on Debian 12
	@$(BIN)/python -m scripts.database_lints test -- $(ARGS)

clean: ## stop the local stack and throw away its data and .venv
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m scripts.playground clean; fi
	@rm -rf .venv .stack .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
