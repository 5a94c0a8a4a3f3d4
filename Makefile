# Every target sets itself up: a virtual environment in $(VENV) with the locked dependencies, made once
# and again when requirements.lock or pyproject.toml change. Nothing but Python 3.11+ is needed.

VENV ?= .venv
JOBS ?= 2
BIN = $(VENV)/bin
READY = $(VENV)/.ready
CODE = agents alarms benchmarks collector dashboard examples raywatch tests
FIND = for p in $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python); do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo "$$p"; break; }; done

.PHONY: help demo test check lint types tests format bench lock clean
.DEFAULT_GOAL := help

help: ## these lines
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | expand -t 10

demo: $(READY) ## Raywatch with a shop that sends it telemetry
	@$(BIN)/raywatch demo $(ARGS)

test: check ## lint, types, every test: what CI runs

check: lint types tests ## the same as test

lint: $(READY) ## style and format of the code
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(READY) ## mypy, strict
	$(BIN)/mypy

tests: $(READY) ## the tests alone; ARGS='-k map' for some of them
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(READY) ## the figures of benchmarks/RESULTS.md on this machine
	@$(BIN)/raywatch bench $(ARGS)

lock: $(READY) ## resolve the dependencies again for all supported Pythons
	$(BIN)/python -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--extra demo --group dev --no-header --no-emit-index-url --output-file requirements.lock pyproject.toml

clean: ## remove the environment and what tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(READY): requirements.lock pyproject.toml
	@python=$$($(FIND)); \
	if [ -z "$$python" ]; then \
		echo "Raywatch needs Python 3.11 or newer with the venv module; $(if $(PYTHON),$(PYTHON) is not,none was found)." >&2; \
		echo "Install it (Debian, Ubuntu: apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$python" --version) …"; \
	"$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)
