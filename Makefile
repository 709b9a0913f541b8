# Everything a developer types. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
FOR_DEMO := $(VENV)/.installed-for-demo
LOCK := requirements.lock
# A catalogue of photographs may come with features to start the training from.
WEIGHTS ?= $(if $(CATALOG),$(wildcard $(CATALOG)/../../weights/mobilenet_v2_features.safetensors))
# Threads that wait for each other should sleep: spinning trebles the time on a machine that is busy.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help demo desk test test-all coverage chaos fuzz check docs format lock clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(FOR_DEMO) ## Walk the whole path, harvest to enrichments; CATALOG=folder or SOURCE=europeana for other input
	@rm -rf .demo
	@WEIGHTS="$(WEIGHTS)" $(BIN)/python -m deploy.local --data .demo/services -- $(BIN)/python -m deploy.demo

desk: $(FOR_DEMO) ## Open the desk on the demo's data: web pages to see, judge and teach
	@test -d .demo/services || { echo "There is no demo yet. Run first: make demo" >&2; exit 2; }
	@$(BIN)/python -m deploy.local --data .demo/services -- $(BIN)/python -m deploy.desk

# Three processes keep two cores busy, since tests wait more than they compute; a file stays whole.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

test: $(INSTALLED) ## Run the tests of every day, on a Postgres and a Valkey of their own, in ten minutes
	$(PYTEST) -m "not slow"

test-all: test ## Run also those that take many processes or minutes, as CI does
	$(PYTEST) -m slow

coverage: $(INSTALLED) ## Run all tests and measure what they reach; fails below the floor in pyproject.toml
	$(PYTEST) --cov --cov-report=

chaos: $(INSTALLED) ## Kill, freeze and cut off workers at random, over 10,000 records
	CHAOS_RECORDS=10000 $(BIN)/pytest tests/chaos

fuzz: $(INSTALLED) ## Send random mutations to everything that strangers reach, a minute each; FUZZ_SECONDS=3600 for an hour
	FUZZ_SECONDS=$${FUZZ_SECONDS:-60} FUZZ_SEED=$${FUZZ_SEED:-$$(date +%s)} $(BIN)/pytest -n 2 tests/fuzz

check: $(INSTALLED) ## Lint, check types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(INSTALLED) ## Make the reference pages of docs/ and the alerts for Kubernetes
	$(BIN)/python -m deploy.reference
	$(BIN)/python -m deploy.monitoring.kubernetes

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(BIN)/uv ## Pin what pyproject.toml asks for in requirements.lock; UPGRADE=1 takes the newest versions
	$(BIN)/uv pip compile --quiet $(if $(UPGRADE),--upgrade) --output-file=$(LOCK) pyproject.toml

clean: ## Remove what these commands made
	rm -rf $(VENV) .demo *.egg-info build .mypy_cache .ruff_cache \
	  .pytest_cache .coverage .coverage.* .import_linter_cache .hypothesis

# Compiling is the longest part of an installation: pip has one process for it, compileall one a core.
define install
@echo "Installing $(1) into $(VENV), once ..."
@PYTHONWARNINGS='ignore:Editable installation' \
  $(BIN)/python -m pip install --no-compile --constraint $(LOCK) --editable '.[$(2)]'
@$(BIN)/python -m compileall -qq -j 0 -x /tests/ $(VENV)/lib || true
@touch $@
endef

$(FOR_DEMO): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11 ..." >&2; exit 2; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	$(call install,what the demo and the desk need,demo)

$(INSTALLED): $(FOR_DEMO)
	$(call install,what tests and checks need,dev)

# Not by way of $(INSTALLED): a lock that no longer fits pyproject.toml cannot be installed by.
$(BIN)/uv:
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --constraint $(LOCK) uv
