# Everything happens inside .venv; it needs Python 3.11 or newer with pip, and nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench chaos fuzz load docs site dist lock clean

# The Lua that is written for scripts; the private side of the runtime is loaded by each of its states.
LUA := $(filter-out %/reference/examples/ctx.lua %/reference/examples/test.lua,$(wildcard \
	examples/*.lua examples/promotion/*.lua docs/reference/examples/*.lua src/assay/cli/template/*.lua tests/batteries/lua/*.lua))

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

install: $(VENV)/project ## Make .venv with the command assay and the embedded Temporal servers

demo: install ## Run the demo workflow on an embedded Temporal server
	@$(BIN)/assay dev examples/promotion/demo.lua

test: lint ## Run lint and all tests
	$(BIN)/pytest --numprocesses $(JOBS)

lint: install ## Check style, types, import layers, wording and Lua code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/words.py
	@$(BIN)/assay check --no-run $(LUA) > .lua-check || { grep -v ': no worker$$' .lua-check; rm .lua-check; exit 1; }
	@rm .lua-check
	@if command -v stylua > /dev/null; then stylua --check bench docs examples src tests; else echo "StyLua is not installed: Lua style not checked"; fi

bench: install ## Run the benchmarks; fails if one misses its target; QUICK=1 for a short run
	@missed=; for name in startup lua web client worker short_runs short_lives processes simulation; do \
		$(BIN)/python bench/$$name.py $(if $(QUICK),--quick) || missed="$$missed $$name"; \
	done; test -z "$$missed" || { echo "targets missed:$$missed"; exit 1; }

fuzz: install ## Run generated workflows in two processes and compare them; QUICK=1 for a short run
	$(BIN)/python bench/fuzz.py $(if $(QUICK),--programs 100)

chaos: install ## Kill workers and restart the server under load; QUICK=1 for a short run
	$(BIN)/python bench/chaos.py $(if $(QUICK),--quick)

load: install ## Run workers under mixed load for 40 minutes and check for leaks; MINUTES=5 for a short run
	$(BIN)/python bench/load.py $(if $(MINUTES),--minutes $(MINUTES))

docs: install ## Regenerate the reference pages
	$(BIN)/python -m assay.cli.reference docs/reference
	$(BIN)/python -m assay.cli.command_page docs/command-line.md

site: install ## Build the manual as a site in build/site
	$(BIN)/python tools/manual.py build
	$(BIN)/zensical build --strict --clean --config-file build/mkdocs.yml

dist: site ## Build wheel, source distribution, SBOM and site into dist
	rm -rf dist && mkdir dist
	$(BIN)/hatchling build -d dist
	$(BIN)/python tools/release.py dist
	tar -czf dist/assay-manual.tar.gz -C build/site .

lock: $(BIN)/python ## Update the dependencies in requirements.lock
	$(PIP) install uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--extra dev --group test --group build --group site --custom-compile-command "make lock" \
		pyproject.toml --output-file requirements.lock

clean: ## Remove all generated files
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis bench/results build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/dependencies: requirements.lock | $(BIN)/python
	@echo "Installing the dependencies into $(VENV) (a minute or so)"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/project: pyproject.toml $(VENV)/dependencies
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
