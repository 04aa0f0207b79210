# `make` lists the targets. GNU make 3.81 is enough.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# The newest Python that the locks serve and that can make environments (Debian's may lack venv).
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11; do \
	$$p -c 'import ensurepip, venv' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
SERVE ?= yes
STAGE ?= default
AWS_TOOLS := $(VENV)/aws/bin
# Without byte code every process compiles what it imports, which doubles the time of a start.
unexport PYTHONDONTWRITEBYTECODE

# .env is read here too, and the real environment wins over it.
RUN = $(if $(wildcard .env),$(BIN)/dotenv --file .env run --no-override -- )$(BIN)/python

.PHONY: help setup demo test test-long browser simulate e2e bench fuzz soak mutate unguarded sentences structure docs compare check train serve promote-ui picture image sam local local-stop deploy lock digests sbom audit clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -e 's/:.*## /	/' | sort | awk -F'	' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/training ## make .venv and install the locked requirements

demo: $(VENV)/training ## serve a forecast on PORT after seconds, then swap in what a whole run chooses (SERVE=no: stop after printing)
	$(RUN) -m training demo --fresh 5 --port $(if $(filter no,$(SERVE)),0 --stop,$(PORT)) $(ARGS)

PYTEST = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: $(VENV)/dev $(VENV)/aws/installed ## install the test requirements and run the tests, except the long ones
	$(PYTEST) -m "not long" $(ARGS)

test-long: $(VENV)/dev $(VENV)/aws/installed ## run the long tests, which `make test` leaves out
	$(PYTEST) -m long $(ARGS)

browser: $(VENV)/dev ## look at the page in Chromium: values, states, phone, dark, keyboard, axe-core
	$(BIN)/python -m pytest tests/browser $(ARGS)

simulate: $(VENV)/dev ## how often repeated runs promote a model that is no better (minutes)
	$(BIN)/python -m tests.simulate_selection $(ARGS)

# On a machine without a Docker engine, but with this set-up beside the clone, that is started, and stopped afterwards.
ENGINE := ../shared/lambda-base/setup.sh

e2e: $(VENV)/dev $(VENV)/aws/installed ## run everything together in Docker, with a real S3 and a real MLflow server
	@set -e; \
	if ! docker version >/dev/null 2>&1; then \
		test -x $(ENGINE) || { echo "make e2e needs a Docker engine: install or start Docker" >&2; exit 1; }; \
		eval "$$($(ENGINE) env)"; \
		docker version >/dev/null 2>&1 || trap '{ set +x; } 2>/dev/null; $(ENGINE) down' EXIT; \
		$(ENGINE); \
	fi; \
	PATH="$(CURDIR)/$(AWS_TOOLS):$$PATH"; export PATH SAM_CLI_TELEMETRY=0; \
	set -x; $(BIN)/python -m pytest tests/e2e $(ARGS)

bench: $(VENV)/dev ## measure cold start, latency, memory and throughput against a constant handler and server
	$(BIN)/python -m tests.benchmarks $(ARGS)

fuzz: $(VENV)/dev ## damage champions, records, price files and bodies for half an hour
	FUZZ=8000 $(BIN)/python -m pytest tests/serving/test_fuzz.py tests/training/prices/test_fuzz.py tests/serving/test_odd_records.py --timeout 1800 $(ARGS)

soak: $(VENV)/dev ## ten minutes each of interleavings and kills and of load under faults, and each fault by the clock
	EXAMPLES=100 STEPS=50 $(BIN)/python -m pytest tests/serving/test_interleavings.py --timeout 1800
	$(BIN)/python -m tests.load.warm --invocations 10000 --swaps 100
	$(BIN)/python -m tests.load.faults
	$(BIN)/python -m tests.load.server --seconds 600 --connections 64 --processes 2

mutate: $(VENV)/dev ## remove one guard of a promise at a time, and show which test notices (minutes)
	$(BIN)/python -m tests.mutate $(ARGS)

unguarded: $(VENV)/dev ## remove each check, limit and hardening option, and list what no test notices (an hour; goes on where it was stopped)
	$(BIN)/python -m tests.unguarded $(ARGS)

sentences: $(VENV)/dev ## renew tests/sentences.txt, the snapshot of the product's wording
	$(BIN)/python -m tests.sentences

structure: $(VENV)/dev ## print the size and the shape of the code
	$(BIN)/python -m tests.structure

docs: $(VENV)/dev ## build the documentation site in site/; a warning or a broken link is an error
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --conf-dir docs --builder html . site $(ARGS)
	@echo "open site/docs/index.html"

BEFORE ?= HEAD~1

compare: $(VENV)/dev ## compare champions, files and answers with those of the revision BEFORE, after a refactoring
	$(BIN)/python -m tests.compare $(BEFORE)

check: $(VENV)/dev ## ruff, the arrows between the rooms, and mypy, strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

train: $(VENV)/training ## run the pipeline: prices, evaluation, selection, publishing (ARGS: see `eurusd run --help`)
	$(RUN) -m training run $(ARGS)

serve: $(VENV)/training ## serve what is active in the store on http://127.0.0.1:PORT
	$(RUN) -m lambda_fn.server --port $(PORT) $(ARGS)

promote-ui: $(VENV)/training ## start MLflow's page on port 5000 and the server on PORT, to promote a version by a click (see docs/operate.md)
	$(BIN)/python -m infra.promote_ui --port $(PORT) $(ARGS)

picture: $(VENV)/dev ## draw docs/forecast.png from the forecast that is active in the store (`make demo` makes one)
	$(BIN)/python -m tests.browser.picture docs/forecast.png

image: $(VENV)/training ## build the image of Lambda and of the fallback server, and print its size
	$(BIN)/python -m infra.image

sam: $(VENV)/aws/installed ## install the SAM CLI in .venv/aws/bin
	@echo 'SAM is installed; use it with: export PATH="$$PWD/$(AWS_TOOLS):$$PATH"'

local: $(VENV)/dev ## start the store that `sam local` serves, with a copy of models/, serving/ and prices/
	$(BIN)/python -m infra.local up

local-stop: $(VENV)/dev ## stop that store
	$(BIN)/python -m infra.local down

deploy: $(VENV)/training $(VENV)/aws/installed ## sam build and sam deploy (STAGE=staging, ARGS="AlarmEmail=me@example.com")
	PATH="$(CURDIR)/$(AWS_TOOLS):$$PATH" $(BIN)/python -m infra.deploy --config-env $(STAGE) $(ARGS)

lock: $(VENV)/dev ## renew the locks from the groups of pyproject.toml (ARGS=--upgrade: to the newest versions)
	$(LOCK) pyproject.toml --extra training --group dev --output-file requirements-dev.txt $(ARGS)
	$(LOCK) pyproject.toml --extra training --constraint requirements-dev.txt --output-file requirements-training.txt
	$(LOCK) --group serving --constraint requirements-dev.txt --output-file requirements-serving.txt
	$(LOCK) --group aws --output-file requirements-aws.txt $(ARGS)
	$(LOCK) --group bench-fastapi --constraint requirements-dev.txt --output-file $(RIVALS)/fastapi.txt
	$(LOCK) --group bench-mlflow --constraint requirements-dev.txt --output-file $(RIVALS)/mlflow.txt

RIVALS := tests/benchmarks/rivals
LOCK = UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header

digests: $(VENV)/training ## write down what the tag of the base image means today, for production (it asks the registry)
	$(BIN)/python -m infra.base

sbom: $(VENV)/aws/installed ## write sbom/serving.json and sbom/training.json: what is installed, in CycloneDX, from the locks
	mkdir -p sbom
	for lock in serving training; do $(AWS_TOOLS)/cyclonedx-py requirements requirements-$$lock.txt \
		--output-format JSON --output-reproducible --outfile sbom/$$lock.json || exit; done

# --strict: a package that the database does not know, or that could not be asked of it, is a failure
audit: $(VENV)/aws/installed ## look the locked packages up among the known vulnerabilities (it asks the package index)
	for lock in serving training; do $(AWS_TOOLS)/pip-audit --strict --disable-pip --require-hashes \
		--requirement requirements-$$lock.txt || exit; done

clean: ## remove the environment and the caches, never models, prices or MLflow's database
	rm -rf $(VENV) site eurusd_forecast.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find lambda_fn training infra tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: an environment is renewed when its lock is newer. dev holds all of training, training all of serving.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python that works: install python3.13, 3.12 or 3.11 with its venv module" \
		"(Debian: apt install python3-venv) or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# uv installs several times faster than pip. Its version and hashes are those of the dev lock, and pip fetches it.
$(BIN)/uv: | $(VENV)/bin/python
	@echo "installing uv, which installs the rest, with pip"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.txt > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r $(VENV)/uv.txt

# An environment, its lock, more options. Quiet, as uv lists every package otherwise; it still tells errors.
install = @echo "installing the $$(grep -c '^[a-z0-9].*==' $(2)) packages locked in $(2) into $(1) with uv"; \
	UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --python $(1)/bin/python --require-hashes $(3) -r $(2) || \
	{ echo "uv reads no settings of pip: if pip has an index of its own here, name it in UV_DEFAULT_INDEX" >&2; exit 1; }

# The command eurusd, which runs the code of this folder.
link = @UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --python $(VENV)/bin/python --no-deps \
	--no-build-isolation --editable .

$(VENV)/training: requirements-training.txt | $(BIN)/uv
	$(call install,$(VENV),$<)
	$(link)
	@touch $@

$(VENV)/dev: requirements-dev.txt | $(BIN)/uv
	$(call install,$(VENV),$<)
	$(link)
	@touch $@ $(VENV)/training

# Without --no-deps it looks for pins of boto3-stubs with its extras, which the lock leaves out; the lock is complete.
$(VENV)/aws/installed: requirements-aws.txt | $(BIN)/uv
	$(BIN)/python -m venv $(VENV)/aws
	$(call install,$(VENV)/aws,$<,--no-deps)
	@touch $@
