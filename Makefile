# Two commands for a fresh machine: make demo, make test. Everything they make lies in .venv, .cache and .sandbox.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# Two more than there are CPUs: many a test waits for a server, an agent or a clock.
WORKERS ?= $(shell expr $$(nproc) + 2)
# Where Python may keep no bytecode, each worker and each of thousands of processes compiles the same modules again.
unexport PYTHONDONTWRITEBYTECODE
SHELL_FILES := $(shell git ls-files '*.sh' .ci/run 'bashrc.d/*' etc/examples/ssh-read-only etc/completion/portage-ext etc/completion/olm \
	'etc/portage/postsync.d/*' 'tests/system/shell/*.ba*' 2>/dev/null)

.PHONY: help demo demo-play test test-unit lint check-programs test-crash test-loop test-hooks test-builds test-setup test-toolchain \
	test-attacks test-compat test-swarm test-unknown test-days test-slow test-portage test-differential test-sanitized fuzz bench \
	bench-each pictures clean

help:
	@echo "make demo            what portage-ext does, shown by real emerge in a sandbox; make demo-play: a shell in it"
	@echo "make test            every unit, and each behaviour by real emerge"
	@echo "make test-slow       further cases by real emerge, which take longer"
	@echo "make test-unit       the tests that need no emerge, in seconds: the inner loop"
	@echo "make lint            ruff, mypy (--strict for the package), import contracts, shellcheck"
	@echo "make test-crash      a publish killed at every system call that changes a file"
	@echo "make test-loop       clients in a loop while 200 releases come and go"
	@echo "make test-hooks      twenty emerges at once on a binhost, half of them killed"
	@echo "make test-setup      the installer killed before each of its changes, and taken off, whole or one role"
	@echo "make test-builds     builds, their cages, runs and emerges killed at thirty random moments"
	@echo "make test-toolchain  every toolchain scenario with every supported Portage, and 200 random systems merged"
	@echo "make test-attacks    every attack with every supported Portage"
	@echo "make test-compat     commands, hooks and the index with every supported Portage"
	@echo "make test-swarm      builders, Buildbot and the coordinator killed, stopped and cut off at many moments"
	@echo "make test-unknown    Portages that are older than the supported ones, or spoilt in every way: what is off is told"
	@echo "make test-days       a binhost and its clients by portage-ext update: a kill in each step, a full disk, a rollback …"
	@echo "make fuzz            every reader of foreign bytes, SECONDS=180 each, on bytes that nobody expects"
	@echo "make test-sanitized  the C modules with the sanitizers of gcc, on tests and on bytes that nobody expects"
	@echo "make test-portage    Portage's own tests, with the plugin and without it"
	@echo "make test-differential  10,000 examples for each reader that must read as Portage's does"
	@echo "make bench           the wants of speed beside their peers; writes docs/figures.md, fails on a miss (ROWS=--quick: minutes)"
	@echo "make bench-each      every other measurement, one after the other"
	@echo "make pictures        the pictures in docs/images, taken again"
	@echo "make clean           remove everything that these commands have made"

check-programs:
	@$(PYTHON) -m tests.testkit.requirements

demo:
	@$(PYTHON) -m demo.demo

# A shell in what make demo has left, with its binhost running.
demo-play:
	@test -x .sandbox/play || { echo "There is nothing to play with yet: run make demo first."; exit 1; }
	@.sandbox/play

$(VENV)/complete: requirements-dev.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

# In memory, where there is room, making and removing small files costs a third less of the kernel's time than on ext4.
SCRATCH = TMPDIR=$$($(PYTHON) -m tests.testkit.scratch)

# In a fresh checkout each worker would compile all tests: they are compiled once, while the environments are made.
test: check-programs $(VENV)/complete
	@$(RUN) -m pytest --collect-only -qq >/dev/null & $(RUN) -m tests.testkit.environments && wait
	$(SCRATCH) $(RUN) -m pytest -n $(WORKERS)

# Little waits here, and each worker collects all tests. The properties get fewer examples than in make test.
test-unit: $(VENV)/complete
	$(SCRATCH) HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} $(RUN) -m pytest -q -n $(shell expr $$(nproc) + 1) tests/unit

lint: $(VENV)/complete
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --config-file tests/mypy.ini
	$(VENV)/bin/lint-imports
	@if [ -n "$(SHELL_FILES)" ]; then shellcheck -x $(SHELL_FILES); fi

# The slow proofs, each with a quick part in make test.
PROVE := $(RUN) -m pytest -m ""

test-slow: check-programs $(VENV)/complete
	$(RUN) -m tests.testkit.environments
	$(SCRATCH) $(RUN) -m pytest -n $(WORKERS) -m slow tests

test-crash: check-programs $(VENV)/complete
	CRASH_POINTS=all $(PROVE) -q tests/system/crash

test-loop: check-programs $(VENV)/complete
	LOOP_RELEASES=200 $(PROVE) -q -s tests/system/publish/test_loop.py

test-hooks: check-programs $(VENV)/complete
	HOOK_EMERGES=20 $(PROVE) -q -s tests/system/hooks/test_at_once.py

test-builds: check-programs $(VENV)/complete
	BUILD_KILLS=30 $(PROVE) -q -s tests/system/builds/test_killed.py

test-setup: check-programs $(VENV)/complete
	$(SCRATCH) SETUP_STRIDE=1 $(PROVE) -q -n $(WORKERS) -k interrupted tests/system/shell

test-toolchain: check-programs $(VENV)/complete
	$(SCRATCH) TOOLCHAIN_PORTAGES=all RANDOM_PLANS=200 $(PROVE) -q -n $(WORKERS) tests/system/toolchain

test-attacks: check-programs $(VENV)/complete
	$(RUN) -m tests.testkit.environments
	$(SCRATCH) ATTACK_PORTAGES=all $(PROVE) -q -n $(WORKERS) tests/system/attacks

# What make test plays with the oldest and the newest.
test-compat: check-programs $(VENV)/complete
	$(RUN) -m tests.testkit.environments
	$(SCRATCH) COMPAT_PORTAGES=all $(PROVE) -q -n $(WORKERS) \
		-k "every_supported or every_portage or every_combination or nested_groups or diamond or another_process or is_ended" \
		tests/system/hooks tests/system/why tests/system/index tests/system/check tests/system/watch tests/system/repositories

test-swarm: check-programs $(VENV)/complete
	$(RUN) -m tests.testkit.environments
	SWARM_LOSSES=all $(PROVE) -q -s tests/system/swarm

# Every reader for so many seconds, a reader a CPU; READERS names some of them.
SECONDS ?= 180
fuzz: check-programs $(VENV)/complete
	$(SCRATCH) $(RUN) -m tests.system.fuzz.run $(SECONDS) $(READERS)

# Python itself frees little at its end, so leaks are not looked for.
SANITIZED = SANITIZED=1 ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc LD_PRELOAD=$$(gcc -print-file-name=libasan.so)
test-sanitized: check-programs $(VENV)/complete
	$(SCRATCH) $(SANITIZED) $(PROVE) -q -n $(WORKERS) tests/unit/gpkg/test_usual.py tests/unit/model/test_digest.py \
		tests/unit/pkgdir/test_entry.py tests/unit/pkgdir/test_walk.py tests/unit/releases/test_look.py \
		tests/unit/releases/test_names.py
	$(SCRATCH) $(SANITIZED) $(RUN) -m tests.system.fuzz.run $(SECONDS) c-archives c-digests c-records c-names c-trees

test-unknown: check-programs $(VENV)/complete
	$(SCRATCH) UNKNOWN_PORTAGES=all SPOILT=all $(PROVE) -q -n $(WORKERS) tests/system/compat/test_unknown.py \
		tests/system/seam/test_spoilt.py

test-days: check-programs $(VENV)/complete
	$(RUN) -m tests.testkit.environments
	$(SCRATCH) UPDATE_DAYS=all $(PROVE) -q -n $(WORKERS) tests/system/updates --ignore tests/system/updates/test_fourteen_days.py
	$(SCRATCH) UPDATE_DAYS=all $(PROVE) -q -s tests/system/updates/test_fourteen_days.py

test-portage: check-programs $(VENV)/complete
	$(RUN) -m tests.system.compat.portage_own

test-differential: check-programs $(VENV)/complete
	$(SCRATCH) HYPOTHESIS_PROFILE=thorough $(PROVE) -q -n $(WORKERS) -k differential tests

# Most of the time is Portage's. The first time BENCH is filled with about 14 GB of packages, which it keeps. On Debian the peers are
# apt-utils, createrepo-c, reprepro and rpm.
# ROWS=--quick shows in minutes that it works; ROWS="--rounds 3", then ROWS="--rounds 3 --continue" if it was ended: see bench/all.py.
BENCH ?= .sandbox-bench
bench: check-programs $(VENV)/complete
	$(RUN) -m bench.all $(BENCH) --document docs/figures.md $(ROWS)

# The single measurements, whose tables stand in docs/figures.md too.
bench-each: check-programs $(VENV)/complete
	$(RUN) -m bench.whitelist
	$(RUN) -m bench.reindex $(BENCH)/reindex
	$(RUN) -m bench.trust 1000 500 3
	$(RUN) -m bench.fetches
	$(RUN) -m bench.contracts
	$(RUN) -m bench.deltas
	$(RUN) -m bench.releases $(BENCH)/releases
	$(RUN) -m bench.after $(BENCH)/after
	$(RUN) -m bench.why
	$(RUN) -m bench.check
	$(RUN) -m bench.pick
	$(RUN) -m bench.pypi
	$(RUN) -m bench.graph
	$(RUN) -m bench.swarm
	$(RUN) -m bench.builds
	$(RUN) -m bench.pages
	$(RUN) -m bench.ask
	$(RUN) -m bench.scale $(BENCH)

# The pictures of the guides, as Chromium shows the pages now; look at them before you commit them.
pictures: check-programs $(VENV)/complete
	$(RUN) -m tests.system.pages.pictures

clean:
	for link in .sandbox .cache; do if [ -L $$link ]; then rm -rf "$$(readlink $$link)"; fi; done
	rm -rf $(VENV) .cache .sandbox $(BENCH) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
