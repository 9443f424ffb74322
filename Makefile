# What a person types. `make` alone lists it.
#
# Everything runs from .venv, made from requirements.txt. `make install` does nothing when neither that list nor
# pyproject.toml has changed. No target needs root, Docker or a network beyond the Python package index.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
GAUNTLET := $(BIN)/gauntlet
INSTALLED := $(VENV)/.installed

# The Python to use; by default the first of these that is 3.11 to 3.13.
PYTHON ?=
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.13 python3.12 python3.11 python3)

# Where systems keep the certificates they trust. uv brings its own list, which lacks those of a company's proxy; pip
# looks at the system's.
CERTIFICATES := /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem

# Workers for `make test`: as many as there are processors, at most four, each with a PostgreSQL of its own.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup

.PHONY: help
help: ## This list
	@echo "make run    sets everything up, runs a real test suite in pods, prints the result and where to look"
	@echo "make test   sets everything up, passes the tests"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
	  printf '  %-12s %s\n' "$$name" "$$text"; done

## Setting up

.PHONY: install
install: $(INSTALLED) ## Make .venv from the lock; instant when nothing changed

# uv is the lock's own maker. Where it is missing, pip gets it into a folder that is thrown away afterwards.
$(INSTALLED): requirements.txt pyproject.toml
	@set -eu; \
	complain() { echo "gauntlet: $$*" >&2; exit 2; }; \
	[ -w . ] || complain "$$(pwd) is not writable: clone Gauntlet into a folder that is."; \
	free=$$(df -Pk . | awk 'NR==2 {print $$4}'); \
	[ "$$free" -ge 2000000 ] || complain "Only $$((free / 1000)) MB are free on the disk of $$(pwd), the environment needs 2000: free some, or clone Gauntlet onto another disk."; \
	python=; \
	for candidate in $(PYTHONS); do \
	  found=$$("$$candidate" -c 'import sys; print(sys.executable if (3, 11) <= sys.version_info[:2] <= (3, 13) else "")' 2>/dev/null) || continue; \
	  [ -n "$$found" ] && { python=$$found; break; }; \
	done; \
	[ -n "$$python" ] || complain "None of $(PYTHONS) is a Python from 3.11 to 3.13: install one, or name it: make install PYTHON=/path/to/python3.12"; \
	scratch=; \
	trap '[ -z "$$scratch" ] || rm -rf "$$scratch"' EXIT; \
	uv=uv; \
	if ! uv --version >/dev/null 2>&1; then \
	  scratch=$$(mktemp -d); \
	  echo "Getting uv with pip ..."; \
	  wanted=$$(sed -n 's/^\(uv==[^ ;]*\).*/\1/p' requirements.txt); \
	  if "$$python" -m venv "$$scratch/venv" >/dev/null 2>&1; then \
	    "$$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$$wanted" || complain "pip could not install uv: see its message above, or install uv yourself (https://docs.astral.sh/uv)."; \
	    uv=$$scratch/venv/bin/uv; \
	  else \
	    "$$python" -m pip install --quiet --disable-pip-version-check --target "$$scratch/uv" "$$wanted" || complain "$$python has neither a working venv nor pip: install them (Debian: apt install python3-venv), or install uv yourself (https://docs.astral.sh/uv)."; \
	    uv=$$scratch/uv/bin/uv; \
	  fi; \
	fi; \
	echo "Installing into $(VENV) with $$("$$uv" --version) and $$("$$python" --version) ..."; \
	[ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || "$$uv" venv --quiet --clear --python "$$python" $(VENV); \
	for bundle in $(CERTIFICATES); do \
	  if [ -f "$$bundle" ]; then export UV_SYSTEM_CERTS="$${UV_SYSTEM_CERTS:-true}" UV_NATIVE_TLS="$${UV_NATIVE_TLS:-true}"; fi; \
	done; \
	export VIRTUAL_ENV="$$(pwd)/$(VENV)" UV_COMPILE_BYTECODE=1 UV_LINK_MODE=$${UV_LINK_MODE:-}; \
	[ -n "$$UV_LINK_MODE" ] || unset UV_LINK_MODE; \
	"$$uv" pip sync --quiet requirements.txt && "$$uv" pip install --quiet --no-deps --editable . || \
	  complain "The environment could not be made: see uv's message above. If it speaks of a compiler, a package has no ready-made wheel for this machine: install gcc, or use Python 3.12 (make install PYTHON=python3.12)."; \
	$(BIN)/python -m compileall -q include/gauntlet plugins; \
	touch $@

## The embedded stack

.PHONY: run up down status doctor
run: up ## Run NetworkX's own test suite in pods; the summary says where the reports are
	@$(GAUNTLET) run networkx --wait

up: install ## Start PostgreSQL, a small Kubernetes and Airflow
	@$(GAUNTLET) up

down: ## Stop all that `make up` started
	@if [ -x $(GAUNTLET) ]; then $(GAUNTLET) down; else echo "Nothing is installed, so nothing runs."; fi

status: install ## What runs, where, and what is wrong with it
	@$(GAUNTLET) status

doctor: install ## What on this machine stands in the way
	@$(GAUNTLET) doctor

## Working on Gauntlet

.PHONY: test test-quick lint format bench lock clean
test: install ## All tests
	@$(PYTEST)

test-quick: install ## The tests that take less than two seconds each
	@$(PYTEST) -m "not slow"

lint: install ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: install ## Let ruff write the layout and the mendable
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: install ## Measure what this project claims, each beside a peer or a limit
	@for benchmark in benchmarks/bench_*.py; do echo "== $$benchmark"; $(BIN)/python "$$benchmark" || exit $$?; done

lock: install ## Compile requirements.txt anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-emit-index-url \
	  --custom-compile-command "make lock" --output-file requirements.txt pyproject.toml

clean: down ## Stop the stack; delete its data, .venv and caches
	@if [ -x $(GAUNTLET) ]; then $(GAUNTLET) down --delete-data; fi
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find include plugins dags config tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
