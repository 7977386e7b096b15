# One command each; `make` alone lists them.

PYTHON := .venv/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help run run-lan test screenshots lint format audit lock bench bench-quick fuzz faults long conformance package clean

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

run: .venv/runtime.stamp ## Start the server on 127.0.0.1:$PORT (8000) with SQLite and memory
	@exec scripts/run

run-lan: .venv/runtime.stamp ## Start the server for phones in this network, with Caddy and a certificate of its own
	@exec scripts/run-lan

test: .venv/development.stamp ## Run all tests; ARGS="-k name" goes to pytest
	@scripts/install-services
	@$(PYTHON) -m tests.support.services $(ARGS)

screenshots: .venv/development.stamp ## Draw docs/screenshots/ anew, while the tests of the pages look at them
	@scripts/install-services
	SCREENSHOTS=1 $(PYTHON) -m pytest -q webclient/tests tests/test_console_pages.py \
		--ignore webclient/tests/library

# Types and migrations are read from the settings, which ask for a key otherwise.
lint: export DEBUG := 1
lint: .venv/development.stamp ## Check style, types, the floors and the migrations
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy .
	.venv/bin/lint-imports
	$(PYTHON) manage.py makemigrations --check --dry-run --skip-checks
	@scripts/check-javascript

format: .venv/development.stamp ## Put the code into the form that `lint` asks for
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

# Not a part of `lint`, which works without a network. `--strict`: what could not be looked up is no "none found".
audit: .venv/development.stamp ## Ask PyPI for known vulnerabilities of everything installed
	.venv/bin/pip-audit --strict --local --progress-spinner off

# For every Python and platform at once. A version stays until requirements*.in asks for another.
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --custom-compile-command "make lock" $(ARGS)

lock: .venv/development.stamp ## Pin what requirements*.in ask for, with hashes; ARGS=--upgrade takes the newest of the rest
	$(LOCK) --output-file requirements.txt requirements.in
	$(LOCK) --output-file requirements-dev.txt requirements-dev.in

bench: .venv/development.stamp ## Measure the server
	$(PYTHON) -m tools.bench

bench-quick: .venv/development.stamp ## Measure the server, in a minute or two
	$(PYTHON) -m tools.bench --quick

# atheris has no wheel for some platforms and versions of Python; without it the decoder is left out.
fuzz: .venv/development.stamp ## Send a million hostile inputs to both servers; ARGS="--inputs 10000 --seed 1"
	-@$(PIP) install --quiet --only-binary :all: --requirement requirements-fuzz.txt
	@$(PYTHON) -m tools.fuzz $(ARGS)

faults: .venv/development.stamp ## Kill, starve and flood servers of a real size for 20 minutes; ARGS="crash soak --soak 30"
	@scripts/install-services
	$(PYTHON) -m tools.faults $(ARGS)
	@test -n "$(ARGS)" || $(MAKE) --no-print-directory long package

long: .venv/development.stamp ## Run the tests that take too long for `make test`
	@scripts/install-services
	$(PYTHON) -m pytest --long --numprocesses 2 --dist loadscope --no-loadscope-reorder $(ARGS)

package: .venv/development.stamp ## Build the npm package with each bundler, and run it in Chromium and Firefox
	$(PYTHON) -m pytest webclient/tests/npm/bundlers.py -n0 $(ARGS)

conformance: .venv/development.stamp ## Run autobahntestsuite against the server; PYTHON27=/path/to/python2.7, ARGS=--others
	@$(PYTHON) -m tools.conformance "$(PYTHON27)" $(ARGS)

clean: ## Remove the virtual environment and everything generated, but not db.sqlite3 and .lan
	rm -rf .venv staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A dangling link does not count as a file, so an interpreter that was removed makes a new environment.
$(PYTHON):
	@scripts/make-venv

.venv/runtime.stamp: requirements.txt | $(PYTHON)
	@echo "Installing requirements.txt"
	@$(PIP) install --quiet --require-hashes --requirement requirements.txt
	@touch $@

.venv/development.stamp: requirements.txt requirements-dev.txt | $(PYTHON)
	@echo "Installing requirements-dev.txt"
	@$(PIP) install --quiet --require-hashes --requirement requirements-dev.txt
	@touch $@
