# Everything a developer runs. Needs make and Python 3.11, 3.12 or 3.13 with venv; the rest is installed into .venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready
SECONDS_OF_DEMO ?= 60
COMPILED := build/compiled
PIP := $(PY) -m pip --quiet --disable-pip-version-check --no-input
PYTEST := $(PY) -m pytest --durations=15
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11

# The first of these that runs, is a version we support, and can make a virtual environment. A name on the PATH alone proves nothing: version
# switchers leave names behind that only print an error, and some distributions ship Python without ensurepip.
PYTHONS := $(PYTHON) python3.13 python3.12 python3.11 python3 python
WORKS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))

.PHONY: help demo test test-pure test-unit test-property test-contract test-broker test-faults test-simulation test-core test-compiled compiled soak histories check docs check-docs format laws fit-report coverage bench faults mutants \
	build lock clean install

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## Watch a real Kafka, a worker and simulated traffic for a minute (SECONDS_OF_DEMO=60)
	@$(BIN)/leadscore demo --seconds $(SECONDS_OF_DEMO)

# At once, on two cores too: most of what talks to a broker is waiting.
test: $(READY) ## Run every tier of tests that a change must pass
	@$(MAKE) --jobs=3 --output-sync=target test-broker test-faults test-core

test-core: # the laws with all their examples over the compiled form, which is quicker, and with fewer over the other
	@$(MAKE) --jobs=1 test-unit test-contract test-simulation test-compiled
	@HYPOTHESIS_PROFILE=brief $(MAKE) test-property

test-pure: $(READY) ## Every tier that needs neither a broker nor a C compiler
	@$(MAKE) --jobs=1 test-unit test-contract test-property test-simulation

test-unit: $(READY) ## Unit tests and the examples in docstrings: memory only
	@echo "== unit"
	@$(PYTEST) --timeout=30 worker tests/unit

test-property: $(READY) ## The laws of scoring over generated cases
	@echo "== property"
	@$(PYTEST) tests/property

test-simulation: $(READY) ## Crashes, freezes and rebalances between any two steps, in memory and virtual time
	@echo "== simulation"
	@$(PYTEST) tests/simulation

# The same tests over the other form: what a compiler may take otherwise lies in the core.
test-compiled: $(COMPILED)/.made ## The tests of the core again, over the modules compiled
	@echo "== compiled"
	@cd $(COMPILED) && $(CURDIR)/$(PY) -m pytest --durations=5 -p no:cacheprovider tests/unit/contracts tests/unit/pipeline tests/unit/scoring tests/unit/test_worked_numbers.py \
		tests/unit/project/test_compiled.py tests/contract/test_golden_state.py tests/property tests/simulation

test-contract: $(READY) ## Schemas against structs, every store against one suite
	@echo "== contract"
	@$(PYTEST) tests/contract

test-broker: $(READY) ## Against a real Apache Kafka on loopback, which is fetched and started when none is named
	@echo "== broker"
	@$(PYTEST) -m "not faults" tests/broker

test-faults: $(READY) ## The shortest fault runs: kills, freezes and refusals under load, recounted
	@echo "== faults"
	@$(PYTEST) -m smoke_faults tests/faults

check: $(READY) ## Lint, format, types, layers, lock and generated references
	@echo "== ruff" && $(BIN)/ruff check .
	@echo "== format" && $(BIN)/ruff format --check .
	@echo "== mypy" && $(PY) -m mypy
	@echo "== layers" && $(BIN)/lint-imports
	@$(MAKE) check-docs

docs: $(READY) ## Rewrite the generated reference tables
	@$(PY) -m worker.cli.reference

check-docs: $(READY)
	@echo "== references" && $(PY) -m worker.cli.reference --check

format: $(READY) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

laws: $(READY) ## The laws of scoring over 20,000 generated cases each, and the second reading; the seed is in each failure (hours)
	@HYPOTHESIS_PROFILE=nightly $(PYTEST) --timeout=0 tests/property

fit-report: $(READY) ## Fit a model on a recorded history and judge it beside a hand-written one (HISTORY=FILE; minutes)
	@$(PY) -m tests.support.fit_evaluation $(HISTORY)

coverage: $(READY) ## Measure which branches the tests without a broker take
	@rm -f .coverage .coverage.*
	@$(PY) -m coverage run -m pytest worker tests/unit tests/property tests/contract
	@$(PY) -m coverage combine --quiet && $(PY) -m coverage report

bench: $(COMPILED)/.made ## Measure the worker, compiled, beside a plain aiokafka loop, stock Faust and Kafka Streams in the same run (some minutes)
	@cd $(COMPILED) && $(CURDIR)/$(PY) -m pytest --capture=no --timeout=0 -p no:cacheprovider tests/bench

faults: $(READY) ## Kill, freeze and restart parts of a running system and recount (many minutes)
	@$(PYTEST) --timeout=0 -m faults tests/broker tests/faults

soak: $(READY) ## Half an hour at half capacity with a kill every two minutes: memory, handles and disk must stay flat
	@$(PY) -m tests.faults.soak --minutes 30 --kill-every 120

histories: $(READY) ## Ten minutes of simulated histories with a seed of their own
	@$(PY) -m tests.simulation --minutes 10

mutants: $(READY) ## Break each rule that the tests must guard and expect them to go red
	@$(PY) -m tests.mutants

build: $(READY) ## Build the wheel into dist/ (COMPILE_LEADSCORE=1: with the hot modules compiled, for this platform and Python)
	@rm -rf dist && $(PY) -m hatchling build --target wheel

compiled: $(COMPILED)/.made ## Compile the hot modules: the wheel, unpacked beside links to the tests, in build/compiled (needs a C compiler)

$(COMPILED)/.made: $(LOCKED) pyproject.toml hatch_build.py $(shell find worker -name '*.py' -o -name '*.yaml')
	@echo "== compiling"
	@rm -rf $(COMPILED) && mkdir -p $(COMPILED)
	@command -v cc >/dev/null || $(PIP) install --require-hashes --only-binary :all: --requirement requirements-compile.txt
	@COMPILE_LEADSCORE=1 $(PY) -m hatchling build --target wheel --directory $(COMPILED)/dist
	@cd $(COMPILED) && $(CURDIR)/$(PY) -m zipfile --extract dist/*.whl . && rm -rf ./*.dist-info && ln -s ../../tests ../../schemas ../../pyproject.toml ../../README.md .
	@touch $@

lock: $(READY) ## Write the locks anew from pyproject.toml (newest versions that fit)
	@$(PIP) install uv
	@$(UV_COMPILE) --upgrade pyproject.toml --output-file requirements.txt
	@$(UV_COMPILE) --upgrade pyproject.toml --extra demo --extra fit --group dev --constraints requirements.txt --output-file requirements-dev.txt
	@$(UV_COMPILE) --upgrade --group build --constraints requirements-dev.txt --output-file requirements-build.txt
	@$(UV_COMPILE) --upgrade pyproject.toml --group compile --constraints requirements.txt --constraints requirements-dev.txt --output-file requirements-compile.txt
	@! grep -nE '://|^ *--(extra-)?index-url|^ *--find-links' requirements*.txt || { echo "a lock must not name an index" >&2; exit 1; }

clean: ## Remove the environment and all that tools have left
	@rm -rf $(VENV) build dist state .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find worker tests -name __pycache__ -type d -prune -exec rm -rf {} +

install: $(READY) ## Make .venv, or bring it up to date with the lock

# Made anew when the lock changes. Each file is checked by its hash, and none is built here by tools that the lock does not name.
$(LOCKED): requirements-dev.txt
	@found=""; for python in $(PYTHONS); do \
		if "$$python" -c '$(WORKS)' >/dev/null 2>&1; then found="$$python"; break; fi; done; \
	if [ -z "$$found" ]; then echo "needs Python 3.11, 3.12 or 3.13 with venv; name one: make PYTHON=/path/to/python" >&2; exit 69; fi; \
	echo "== environment: $$("$$found" --version) in $(VENV)"; \
	"$$found" -m venv --clear $(VENV)
	@$(PIP) install --require-hashes --only-binary :all: --requirement requirements-dev.txt
	@touch $@

# Commands and entry points; the code itself is read where it lies.
$(READY): $(LOCKED) pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
