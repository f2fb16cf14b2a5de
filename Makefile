# Every target sets up what it needs; bare `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long simulate check fix bench bench-postgres clean

help: ## list these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with hookline and everything that development needs

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hookline needs Python 3.11 or newer; choose one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

demo: $(READY) ## serve, register, publish one of everything, show the deliveries (ONCE=1: then stop)
	@$(BIN)/hookline demo $(if $(ONCE),--once)

test: $(READY) ## run all tests
	$(BIN)/python -m pytest

test-long: $(READY) ## run all tests, those that take minutes too
	$(BIN)/python -m pytest -m "long or not long"

simulate: $(READY) ## play simulated days with trouble in them (SEEDS=20, FIRST=1)
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),20) --first $(or $(FIRST),1)

check: $(READY) ## lint, format, types and the doors between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(READY) ## apply what the linter and the formatter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## measure the speed targets, each as a ratio from one run
	$(BIN)/python -m bench

bench-postgres: $(READY) ## the same on PostgreSQL
	$(BIN)/python -m bench --postgres

clean: ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
