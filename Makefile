# The developer's door: `make run` is the whole of getting started, `make check` the whole of what CI asks.

# The newest Python that is here and can make a virtual environment: with 3.13 the server is an eighth faster or more than with
# 3.11. It must really run: a name on the path may be a shim with nothing behind it, or lack Debian's python3-venv.
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3
WORKS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in $(CANDIDATES); do $$each -c '$(WORKS)' 2> /dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Of the quick tests, one more than there are cores: some of them wait, and with two cores this takes a seventh less time.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# Compiled modules are written beside their sources, whatever the shell says: without them each test run and each server it
# starts compiles all modules anew, which is half of the processor's time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test test-quick check format bench fuzz crash nodes screenshots dist docs deb release clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: $(VENV)/.installed  ## the local mail environment, in the foreground (options: make run ARGS="--port-base 0")
	@$(BIN)/mailstack dev $(ARGS)

test: $(VENV)/.developing  ## the tests (options: make test ARGS="tests/cli -x")
	@$(BIN)/python -m pytest -n auto $(ARGS)

test-quick: $(VENV)/.developing  ## the tests without processes, browser and database server, within a minute (same options)
	@$(BIN)/python -m pytest --quick -n $(WORKERS) -q $(ARGS)

check: $(VENV)/.developing  ## everything that CI checks: format, lint, types, dependencies, tests, documents
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/deptry mailstack twisted
	@$(BIN)/python -m pytest -n auto -q $(ARGS)

format: $(VENV)/.developing  ## put the code in its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.developing  ## the table of how fast it is, beside Postfix and Dovecot where they are (ARGS="--quick", "--rows accept-*")
	@$(BIN)/python -m tests.benchmarks.table $(ARGS)

fuzz: $(VENV)/.fuzzing  ## feed all parsers with octets that reach ever more of their code (make fuzz ARGS="--seconds 60 address")
	@$(BIN)/python -m tests.fuzz $(ARGS)

crash: $(VENV)/.developing  ## kill two servers under load, again and again (make crash RUNS=200, ARGS="--seed 7")
	@$(BIN)/python -m tests.crash $(if $(RUNS),--runs $(RUNS)) $(ARGS)

nodes: $(VENV)/.developing  ## three nodes over one PostgreSQL, and faults at random (make nodes ARGS="--minutes 30 --seed 7")
	@$(BIN)/python -m tests.nodes $(ARGS)

screenshots: $(VENV)/.browsing  ## the pictures in docs/images, taken of a running dev environment
	@$(BIN)/python -m tests.browser.screenshots

dist: $(VENV)/.developing docs  ## the wheel and the source archive, in dist/
	@$(BIN)/python -m build --outdir dist .

docs: $(VENV)/.documenting  ## the documentation site, in site/, and for `mailstack docs`
	@$(BIN)/python packaging/site.py site mailstack/site.zip

deb:  ## the Debian package, in dist/, checked by lintian (needs debhelper and lintian)
	@packaging/deb

release:  ## the files of a release in dist/, each tried: wheel, source archive, single file, mailstack.pyz, checksums
	@PYTHON="$(PYTHON)" packaging/release

clean:  ## remove what these commands made
	rm -rf $(VENV) dist site mailstack/site.zip build .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz

# The output of pip stays: the first run fetches packages, for a minute or more.
# Usage: $(call install,EXTRAS,PURPOSE)
define install
@test -x $(BIN)/python || { \
	python="$(PYTHON)"; \
	test -n "$$python" || { echo "No Python 3.11 or later with the module venv is here; name one: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	echo "Creating $(VENV) with $$python (once) ..."; \
	"$$python" -m venv $(VENV); }
@echo "Installing mailstack and its packages into $(VENV)$(2) (once) ..."
@$(BIN)/python -m pip install --disable-pip-version-check --editable '.$(1)'
@touch $@
endef

# Two marks, so that `make run` never fetches what only developers need.
$(VENV)/.installed: pyproject.toml
	$(call install)

$(VENV)/.developing: pyproject.toml
	$(call install,[dev], for development)
	@touch $(VENV)/.installed

$(VENV)/.browsing: $(VENV)/.developing
	$(call install,[browser], for tests in a browser)

$(VENV)/.fuzzing: $(VENV)/.developing
	$(call install,[fuzz], for fuzzing)

$(VENV)/.documenting: $(VENV)/.installed
	$(call install,[docs], for the documentation site)
