# Each target does its own set-up; once done, it takes no time.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV      = $(BIN)/uv pip install --quiet --python $(BIN)/python
BENCHMARKS = $(filter-out __init__ result readme,$(notdir $(basename $(wildcard benchmarks/*.py))))
LOCK    = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
          --no-emit-find-links --no-annotate --custom-compile-command 'make lock'

export DO_NOT_TRACK = true
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export MLFLOW_DISABLE_TELEMETRY = true
export GX_ANALYTICS_ENABLED = false

# Container images often forbid compiled modules; every flow run starts a process, which would compile its imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo up test check format drills bench site sbom lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev ## install everything that demo, test and check need

$(VENV)/.tools: requirements/setup.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, found %s: set PYTHON=" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.demo: requirements/demo.txt pyproject.toml $(VENV)/.tools
	$(UV) --require-hashes -r $<
	$(UV) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.demo
	$(UV) --require-hashes -r $<
	@touch $@

demo: $(VENV)/.demo ## run a year of flights with faults against a real stack; writes var/demo/report.html
	$(BIN)/autopilot demo

up: $(VENV)/.demo ## start Prefect, worker, feed and gateway on loopback; Ctrl-C stops them
	$(BIN)/autopilot up

# Three at a time on two cores: tests wait for processes a third of the time. A file stays together, with the servers that it
# starts; long files come first (tests/conftest.py). HYPOTHESIS_PROFILE=long tries more examples.
test: $(VENV)/.dev ## run the tests
	$(BIN)/pytest -m "not drill" --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev ## format, lint, types, import contracts
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## format, and fix what ruff can fix
	$(BIN)/ruff format --quiet
	$(BIN)/ruff check --fix --quiet

# SUITE=smoke: the smoke drills against a gateway and healers, three times, and each without its remedy. SUITE=full: all
# drills, also against whole stacks. The outcomes are added to var/drills, and var/drills.html shows them.
SUITE ?= smoke
DRILLS_smoke = tests/recovery/test_serving_drills.py
DRILLS_full  = tests
drills: $(VENV)/.dev ## run the recovery drills (SUITE=smoke or full); writes var/drills.xml and var/drills.html
	@DRILL_SUITE=$(SUITE) DRILL_RESULTS=var $(BIN)/pytest -m drill --timeout 900 --junitxml var/drills.xml \
	  $(DRILLS_$(SUITE)); ended=$$?; $(BIN)/autopilot drill report --home var --html var/drills.html; exit $$ended

bench: $(VENV)/.dev ## run every benchmark, or one: make bench NAME=gateway
	@set -e; for script in $(if $(NAME),$(NAME),$(BENCHMARKS)); do \
	  echo "$$script"; $(BIN)/python -m "benchmarks.$$script"; done

site: $(VENV)/.dev ## build the documentation as a site that needs no network: var/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

sbom: $(VENV)/.dev ## write the bill of materials of a serving machine, in CycloneDX: var/sbom.cdx.json
	$(BIN)/python -m deploy.sbom var/sbom.cdx.json

lock: $(VENV)/.tools ## regenerate the locks from pyproject.toml
	$(LOCK) requirements/setup.in --output-file requirements/setup.txt
	$(LOCK) pyproject.toml --extra demo --extra dev --output-file requirements/dev.txt
	$(LOCK) pyproject.toml --extra demo --constraint requirements/dev.txt --output-file requirements/demo.txt
	for peer in mlserver litserve bentoml; do \
	  $(LOCK) requirements/peers/$$peer.in --output-file requirements/peers/$$peer.txt; done

clean: ## remove the virtual environment, caches and ./var
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
