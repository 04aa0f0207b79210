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

# .env is read here too, and the real environment wins over it.
RUN = $(if $(wildcard .env),$(BIN)/dotenv --file .env run --no-override -- )$(BIN)/python

.PHONY: help setup demo test check train serve lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -e 's/:.*## /	/' | sort | awk -F'	' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/training ## make .venv and install the locked requirements

demo: $(VENV)/training ## train on real prices, publish the champion, forecast, serve on PORT (SERVE=no: stop before serving)
	$(RUN) -m training run
	$(RUN) -m training forecast
ifneq ($(SERVE),no)
	$(RUN) -m lambda_fn.server --port $(PORT)
endif

test: $(VENV)/dev ## install what the tests need and run them
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/dev ## ruff and mypy, strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

train: $(VENV)/training ## run the pipeline: prices, evaluation, selection, publishing (ARGS: see `python -m training run --help`)
	$(RUN) -m training run $(ARGS)

serve: $(VENV)/training ## serve what is active in the store on http://127.0.0.1:PORT
	$(RUN) -m lambda_fn.server --port $(PORT) $(ARGS)

lock: $(VENV)/dev ## renew the three locks from the groups of pyproject.toml (ARGS=--upgrade: to the newest versions)
	$(LOCK) --group dev --output-file requirements-dev.txt $(ARGS)
	$(LOCK) --group training --constraint requirements-dev.txt --output-file requirements-training.txt
	$(LOCK) --group serving --constraint requirements-dev.txt --output-file requirements-serving.txt

LOCK = UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header

clean: ## remove the environment and the caches, never models, prices or MLflow's database
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find lambda_fn training tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: an environment is renewed when its lock is newer. dev holds all of training, training all of serving.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python that works: install python3.13, 3.12 or 3.11 with its venv module" \
		"(Debian: apt install python3-venv) or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/training: requirements-training.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements-training.txt
	touch $@

$(VENV)/dev: requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements-dev.txt
	touch $@ $(VENV)/training
