# airsplit: `make demo` and `make test` do everything on a fresh machine.
# Needed beforehand: Python 3.11 or newer, git, make. A C compiler, Chromium and libusrsctp are
# installed with apt where this runs as root, and named where it does not; without the first the
# slower reference backend is used, without the second the tests of the pages in a browser are
# skipped, without the third E2 needs a kernel that has SCTP.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_OPTIONS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Files with tests that have to keep time: to look at no other spares half a minute. Sorted, since a
# folder's order is not the same on every machine.
ALONE = $$(grep -rl 'mark\.alone' tests --include='test_*.py' | sort)

.PHONY: help setup demo test test-all checkers check exactness bench docs clean

help:  ## list these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## make .venv with everything in it

demo: $(READY)  ## the whole story in two minutes: a cell fills up, the xApp makes room
	$(BIN)/airsplit demo

test: $(READY)  ## the tests, in minutes
	$(BIN)/python -m pytest -n 2 -m "not slow and not alone"
	$(BIN)/python -m pytest -m "alone and not slow" $(ALONE)

test-all: $(READY)  ## the tests, slow ones too, and more random examples
	$(BIN)/python -m pytest -n 2 -m "not alone" --hypothesis-profile thorough
	$(BIN)/python -m pytest -m alone $(ALONE)

checkers:  ## what further checks of E2 need: Wireshark's dissectors, a kernel that has SCTP
	@command -v npm >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq nodejs npm; \
		else echo "No npm: apt-get install nodejs npm."; exit 1; fi; }
	npm ci --no-audit --no-fund --prefix tests/e2_dissect
	@command -v linux.uml >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq user-mode-linux; \
		else echo "No user-mode Linux: apt-get install user-mode-linux."; exit 1; fi; }

check: $(READY)  ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_imports.py

exactness: $(READY)  ## print the matrix: family x split x precision against unsplit transformers
	$(BIN)/python -m tests.exactness

bench: $(READY)  ## every benchmark, quickly; run one by itself for its full form
	@for file in tests/benchmarks/bench_*.py; do \
		name=$$(basename $$file .py); echo "== $$name"; \
		$(BIN)/python -m tests.benchmarks.$$name --quick || exit 1; \
	done

docs: $(READY)  ## the documentation as pages that need no network, into site/
	$(BIN)/python -m tests.docs.write_reference
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --clean
	@echo "Open site/index.html; for its search: $(BIN)/python -m http.server --directory site"

clean:  ## remove what was made here
	rm -rf $(VENV) build dist site *.egg-info tests/e2_dissect/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "airsplit needs Python 3.11 or newer; found: $$($(PYTHON) --version 2>&1)."; \
		echo "Install it (Debian: apt-get install python3.11 python3.11-venv)," \
			"or name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@command -v cc >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq gcc libc6-dev; \
		else \
			echo "No C compiler: the fast backend stays off." \
				"To have it: apt-get install gcc libc6-dev, then make clean setup."; \
		fi; }
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq chromium || \
				echo "Chromium could not be installed: the tests of the page in a browser are skipped."; \
		else \
			echo "No Chromium: the tests of the page in a browser are skipped." \
				"To have it: apt-get install chromium."; \
		fi; }
	@ldconfig -p 2>/dev/null | grep -q libusrsctp || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq libusrsctp2 || \
				echo "libusrsctp2 could not be installed: E2 needs a kernel that has SCTP."; \
		else \
			echo "No libusrsctp: E2 needs a kernel that has SCTP. To have it:" \
				"apt-get install libusrsctp2."; \
		fi; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq python3-venv; \
		else \
			echo "This Python has no venv module. Install it: apt-get install python3-venv"; exit 1; \
		fi; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q $(PIP_OPTIONS) torch==2.13.0
	$(BIN)/pip install -q $(PIP_OPTIONS) -c constraints.txt -e ".[dev]"
	@$(BIN)/python -m edge_server.engine.kernels.build || true
	@$(BIN)/python -m pcap_tools.warm  # numba compiles for half a minute, once
	@$(BIN)/python -m testbed.radio.warm
	@$(BIN)/python -m classifier.warm
	@$(BIN)/python -m testbed.ran.warm  # half a minute more
	@$(BIN)/python -m testbed.experiments.simulated.run
	@touch $(READY)
