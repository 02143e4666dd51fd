# `make demo` and `make test` are all that a newcomer needs: each first makes .venv with everything in it.

.PHONY: setup demo test lint bench clean
SHELL := /bin/sh
PYTHON = $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
# Tests wait more than they compute.
WORKERS = $(shell echo $$(($$(nproc) * 3 / 2)))
NO_PYTHON = "Runyard needs Python 3.11 or newer with its venv module (on Debian: apt install python3-venv)."

setup: .venv/ready ; @:

demo: setup ; .venv/bin/python examples/digits/demo.py

test: setup ; sh tests/prerequisites.sh && .venv/bin/python -m pytest -n $(WORKERS) --dist worksteal

lint: setup ; .venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy

bench: setup ; .venv/bin/python -m bench

clean: ; rm -rf .venv .venv39 .venv-airflow .venv-cmd_queue build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis

.venv/ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo $(NO_PYTHON) >&2; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --compile --editable '.[dev]'
	-.venv/bin/python -m compileall -q src
	@touch $@
