# The developer's door: `make run` is the whole of getting started, `make check` the whole of what CI asks.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test check format bench dist clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: $(VENV)/.installed  ## the local mail environment, in the foreground (options: make run ARGS="--port-base 0")
	@$(BIN)/mailstack dev $(ARGS)

test: $(VENV)/.developing  ## the tests (options: make test ARGS="tests/cli -x")
	@$(BIN)/python -m pytest -n auto $(ARGS)

check: $(VENV)/.developing  ## everything that CI checks: format, lint, types, tests, documents
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest -n auto -q $(ARGS)

format: $(VENV)/.developing  ## put the code in its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.developing  ## the measurements; run them on a quiet machine
	@for each in tests/benchmarks/bench_*.py; do $(BIN)/python -m tests.benchmarks.$$(basename $$each .py) $(ARGS) || exit; done

dist: $(VENV)/.developing  ## the wheel and the source archive, in dist/
	@$(BIN)/python -m build --outdir dist .

clean:  ## remove what these commands made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Two marks, so that `make run` never fetches what only developers need.
$(VENV)/.installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.developing: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) for development (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed
