# Each target sets up what it needs: it takes Python 3.11 or newer, make and a package index.
PYTHON ?= python3
VENV := .venv
LEGACY := .venv-google-legacy
IN_VENV := $(VENV)/bin/python
INSTALL := -m pip install --disable-pip-version-check
# what the demo needs is a part of what the tests need
READY := $(if $(wildcard $(VENV)/.installed),$(VENV)/.installed,$(VENV)/.demo)
OLD_PYTHON := this needs Python 3.11 or newer: make PYTHON=python3.11 ...

.PHONY: demo weekly-demo run install test check lint faults mutants audit lock test-browser test-google-legacy

# collecting the tests takes a quarter longer without bytecode
unexport PYTHONDONTWRITEBYTECODE

demo: $(READY)
	$(IN_VENV) daily_llm_monitoring_cron.py --demo

weekly-demo: $(READY)
	$(IN_VENV) weekly_model_check_cron.py --demo

run: $(READY)
	$(IN_VENV) daily_llm_monitoring_cron.py

# what production installs, with hashes: run it after a change of requirements.txt, -workers.txt or -demo.txt
lock: $(VENV)/.installed
	for name in requirements requirements-workers requirements-demo; do \
		$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
			--custom-compile-command "make lock" $$name.txt --output-file $$name.lock || exit 1; done

# known vulnerabilities of what production installs: exit 1 if there are some, 3 if no source of them answers
audit: $(VENV)/.installed
	$(IN_VENV) -m tests.advisories

# everything that the tests need, so that they run without the package index
install: $(VENV)/.installed $(LEGACY)/.installed tests/browser/node_modules

# lint and the whole default run
test: lint
	$(IN_VENV) -m pytest -n 2 --dist loadfile

# the inner loop: what needs no database of its own, in less than a minute
check: $(VENV)/.installed
	$(IN_VENV) -m pytest -n 2 --dist loadfile tests/unit tests/analysis tests/providers

lint: $(VENV)/.installed
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m ruff format --check .
	$(IN_VENV) -m mypy
	$(IN_VENV) -m bandit --quiet --configfile pyproject.toml --recursive llm_monitoring .railway *.py
	$(IN_VENV) -c 'from importlinter.cli import lint_imports_command as lint; lint()'

# the long form of the fault battery; the short form is part of `make test`
faults: $(VENV)/.installed
	$(IN_VENV) -m pytest tests/faults -m 'long or not long' --timeout=0 -s

# faults put into a copy of the code one by one: each must be caught by the test named for it
mutants: $(VENV)/.installed
	$(IN_VENV) -m tests.faults.mutants

# the report as a reader sees it: needs Chromium and node 20
test-browser: $(VENV)/.installed tests/browser/node_modules
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { echo "Chromium is not installed: apt-get install chromium" >&2; exit 1; }
	@node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' || { echo "This needs node 20 or newer, not $$(node --version)" >&2; exit 1; }
	$(IN_VENV) -m pytest tests/browser -m browser

tests/browser/node_modules: tests/browser/package-lock.json
	cd tests/browser && npm ci --silent --no-audit --no-fund
	@touch $@

test-google-legacy: $(LEGACY)/.installed
	$(LEGACY)/bin/python -m pytest tests/providers/test_google_legacy.py

$(VENV)/.demo: requirements-demo.lock
	$(call install,$(VENV),--require-hashes -r requirements-demo.lock)

$(VENV)/.installed: requirements.txt requirements-workers.txt requirements-demo.txt requirements-dev.txt
	$(call install,$(VENV),--quiet -r requirements-dev.txt)

$(LEGACY)/.installed: requirements.txt requirements-workers.txt requirements-demo.txt requirements-dev.txt requirements-google-legacy.txt
	$(call install,$(LEGACY),--quiet -r requirements-dev.txt -r requirements-google-legacy.txt)

define install
@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed; $(OLD_PYTHON)" >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(OLD_PYTHON)" >&2; exit 1; }
@echo "Installing into $(1) (once): packages are named as they come" >&2
@$(PYTHON) -m venv $(1)
@$(1)/bin/python $(INSTALL) $(2)
@touch $@
endef
