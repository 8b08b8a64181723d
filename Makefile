# Two commands for a fresh machine: make demo, make test. Everything they make lies in .venv, .cache and .sandbox.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
WORKERS ?= $(shell nproc)
SHELL_FILES := $(shell git ls-files '*.sh' '.ci/run' 'bashrc.d/*' 'etc/*.bash' 2>/dev/null)

.PHONY: help demo test lint check-programs test-portage bench clean

help:
	@echo "make demo          a signed binhost, a client, one whitelisted package: real emerge in a sandbox"
	@echo "make test          every test"
	@echo "make lint          ruff, mypy --strict, shellcheck"
	@echo "make test-portage  Portage's own tests, with the plugin and without it"
	@echo "make bench         every speed claim, measured against Portage in the same run"
	@echo "make clean         remove everything that these commands have made"

check-programs:
	@$(PYTHON) -m tests.testkit.requirements

demo: check-programs
	@$(PYTHON) -m demo.demo

$(VENV)/complete: requirements-dev.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

test: check-programs $(VENV)/complete
	$(PYTHON) -m tests.testkit.environments
	$(RUN) -m pytest -n $(WORKERS)

lint: $(VENV)/complete
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	@if [ -n "$(SHELL_FILES)" ]; then shellcheck $(SHELL_FILES); fi

test-portage: check-programs $(VENV)/complete
	$(PYTHON) -m tests.compat.portage_own

bench: check-programs $(VENV)/complete
	$(RUN) -m bench.whitelist

clean:
	if [ -L .sandbox ]; then rm -rf "$$(readlink .sandbox)"; fi
	rm -rf $(VENV) .cache .sandbox .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
