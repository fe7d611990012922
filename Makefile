# Duologue's commands. `make` alone lists them; each does its own set-up on a machine with Python 3.11+, git and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCKS := requirements.lock requirements-runtime.lock requirements-build.lock
LOCK = uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
# Folders that need not exist in every checkout.
MORE := $(wildcard bench examples)

export PYTHONHASHSEED ?= 0
# Tests start many interpreters and sandboxes; each would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup check test test-containers demo up bench lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## make the virtual environment from the locked, hashed dependencies

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Duologue needs Python 3.11 or newer, and '$(PYTHON)' is not. Name another: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || { echo "Setting up $(VENV) …"; $(PYTHON) -m venv --clear $(VENV); } || { \
	  rm -rf $(VENV); echo "No virtual environment could be made. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing the locked dependencies …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

check: setup ## format, lint, types, and who may import whom
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; echo "To repair: $(BIN)/ruff format ." >&2; exit 1; }
	@$(BIN)/ruff check .
	@$(BIN)/mypy duologue tests $(MORE)
	@$(BIN)/lint-imports

test: setup ## every test that needs neither Docker nor a browser
	@$(BIN)/pytest -n 4 --no-loadscope-reorder -m "not containers and not browser" tests

test-containers: setup ## the tests against server containers (needs a Docker engine)
	@TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=localhost $(BIN)/pytest -m containers tests

demo: setup ## a real couple on a real server, from nothing to the replay, in about a minute
	@$(BIN)/duologue demo

up: setup ## serve for real: embedded server, Web UI and worker, until Ctrl-C
	@$(BIN)/duologue up

bench: setup ## measure against the bare floor, and fail over budget
	@$(BIN)/python bench/run.py
	@$(BIN)/python bench/privacy.py

lock: ## resolve the dependencies again (needs uv)
	@$(LOCK) pyproject.toml --extra dev --group build -o requirements.lock
	@$(LOCK) pyproject.toml -o requirements-runtime.lock
	@$(LOCK) --group build -o requirements-build.lock
	@! grep -nE '://' $(LOCKS) || { echo "a lock names a host" >&2; exit 1; }

clean: ## remove everything that was built or installed (not the data in .duologue)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
