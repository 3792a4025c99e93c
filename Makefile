# Each target installs what it needs: Python 3.11 or newer, make and a package index have to be there. `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
LEGACY := .venv-google-legacy
IN_VENV := $(VENV)/bin/python
# a test in a group waits for its group; without reordering the short ones come last, which balances the workers
PARALLEL := -n 3 --dist loadgroup --no-loadscope-reorder
INSTALL := -m pip install --disable-pip-version-check
# what the demo needs is a part of what the tests need
READY := $(if $(wildcard $(VENV)/.installed),$(VENV)/.installed,$(VENV)/.demo)
WEB_READY := $(if $(wildcard $(VENV)/.installed),$(VENV)/.installed,$(VENV)/.web)
OLD_PYTHON := this needs Python 3.11 or newer: make PYTHON=python3.11 ...

.PHONY: help demo weekly-demo web-demo run install test check lint test-slow faults mutants audit lock test-browser test-inspector test-google-legacy

# collecting the tests takes a quarter longer without bytecode
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## the daily job on simulated answers: no API key, no database, no cost
	$(IN_VENV) daily_llm_monitoring_cron.py --demo

weekly-demo: $(READY) ## the weekly job on simulated lists of models
	$(IN_VENV) weekly_model_check_cron.py --demo

web-demo: $(WEB_READY) ## pages, REST API and MCP on the demo's data, with a sign-in link and a token; on PORT if it is set, until Ctrl-C
	$(IN_VENV) daily_llm_monitoring_cron.py --demo
	$(IN_VENV) -m llm_monitoring --demo web

run: $(READY) ## the daily job with your settings and keys: it spends money
	$(IN_VENV) daily_llm_monitoring_cron.py

lock: $(VENV)/.installed ## compile the locks, after a change of requirements.txt, -workers.txt or -demo.txt
	for name in requirements requirements-workers requirements-demo requirements-web; do \
		$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
			--custom-compile-command "make lock" $$name.txt --output-file $$name.lock || exit 1; done

# exit 1 if there are some, 3 if no source of them answers
audit: $(VENV)/.installed ## look for known vulnerabilities of what production installs
	$(IN_VENV) -m tests.advisories

install: $(VENV)/.installed $(LEGACY)/.installed tests/browser/node_modules tests/inspector/node_modules ## install all that tests need, to run them offline

test: lint ## lint, then the default tests on a real PostgreSQL
	$(IN_VENV) -m pytest $(PARALLEL)

check: $(VENV)/.installed ## unit, analysis and provider tests: the inner loop, in under a minute
	$(IN_VENV) -m pytest $(PARALLEL) tests/unit tests/analysis tests/providers

lint: $(VENV)/.installed ## style, types, security rules and import layers
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m ruff format --check .
	$(IN_VENV) -m mypy
	$(IN_VENV) -m bandit --quiet --configfile pyproject.toml --recursive llm_monitoring .railway *.py
	$(IN_VENV) -c 'from importlinter.cli import lint_imports_command as lint; lint()'

test-slow: $(VENV)/.installed ## what CI runs after `make test`: the whole of the long matrices, starts of processes, and fault tests with more kills and examples
	$(IN_VENV) -m pytest $(PARALLEL) -m "ci and not long"

# the short form is part of `make test`
faults: $(VENV)/.installed ## the long form of the fault tests; writes faults.json
	$(IN_VENV) -m pytest tests/faults -m 'long or not long' --timeout=0 -s

mutants: $(VENV)/.installed ## put faults into a copy of the code one by one: the test named for each must fail
	$(IN_VENV) -m tests.faults.mutants

test-browser: $(VENV)/.installed tests/browser/node_modules ## the report in Chromium; needs Chromium and node 20
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { echo "Chromium is not installed: apt-get install chromium" >&2; exit 1; }
	@node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' || { echo "This needs node 20 or newer, not $$(node --version)" >&2; exit 1; }
	$(IN_VENV) -m pytest tests/browser -m browser

test-inspector: $(VENV)/.installed tests/inspector/node_modules ## every MCP tool with the protocol's own inspector; needs node 20
	$(IN_VENV) -m pytest tests/inspector -m inspector

tests/%/node_modules: tests/%/package-lock.json
	cd tests/$* && npm ci --silent --no-audit --no-fund
	@touch $@

test-google-legacy: $(LEGACY)/.installed ## the provider tests with Google's former SDK
	$(LEGACY)/bin/python -m pytest tests/providers/test_google_legacy.py

$(VENV)/.demo: requirements-demo.lock
	$(call install,$(VENV),--require-hashes -r requirements-demo.lock)

$(VENV)/.web: requirements-demo.lock requirements-web.lock
	$(call install,$(VENV),--require-hashes -r requirements-demo.lock -r requirements-web.lock)

$(VENV)/.installed: requirements.txt requirements-workers.txt requirements-demo.txt requirements-web.txt requirements-dev.txt
	$(call install,$(VENV),-r requirements-dev.txt)

$(LEGACY)/.installed: requirements.txt requirements-workers.txt requirements-demo.txt requirements-web.txt requirements-dev.txt requirements-google-legacy.txt
	$(call install,$(LEGACY),-r requirements-dev.txt -r requirements-google-legacy.txt)

define install
@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed; $(OLD_PYTHON)" >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(OLD_PYTHON)" >&2; exit 1; }
@echo "Installing into $(1) (once): packages are named as they come" >&2
@$(PYTHON) -m venv $(1)
@$(1)/bin/python $(INSTALL) $(2)
@touch $@
endef
