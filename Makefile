# make venv   the environment, with all commands in .venv/bin
# make demo   the main job on the sandbox; on this host's own multipath disks a dry run, never more
# make test   linters, unit tests, and the tests on a real kernel in a VM
# make test-long   more tests on a real kernel, too slow for every change
# make check  the same without the VM, for quick turns
# make bench  the figures of the CHANGELOG, with their method
# make install [DESTDIR=] [PREFIX=/usr]   the programs, units, udev rules, manuals and completion on a system
# make uninstall [DESTDIR=] [PREFIX=/usr]   what install put there is taken away; the configuration stays
SHELL := /bin/bash
DESTDIR ?=
PREFIX ?= /usr
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: venv demo test test-long check bench install uninstall vm-images clean
.DEFAULT_GOAL := test

venv: $(VENV)/.made

$(VENV)/.made: pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or later is needed (apt-get install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than Python 3.11; say which: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: $(PYTHON) has no venv module (apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: venv
	@$(BIN)/mpathctl demo

vm-images: venv
	$(BIN)/python -m tests.vm.images

test: venv vm-images
	MPATHCTL_REQUIRE_VM=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not long'

test-long: venv vm-images
	MPATHCTL_REQUIRE_VM=1 $(BIN)/pytest -m long

check: venv
	$(BIN)/pytest -n 2 --dist loadfile -m 'not vm'

bench: venv vm-images
	for each in planning configuration checking watching reads memory clients lanes real_kernel daemons; do $(BIN)/python -m tests.bench.$$each || exit 1; done

install: venv
	$(BIN)/python -m deploy.install --destdir "$(DESTDIR)" --prefix "$(PREFIX)"

uninstall:
	@$(PYTHON) -m deploy.uninstall --destdir "$(DESTDIR)" --prefix "$(PREFIX)"

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
