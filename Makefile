# Two commands set a fresh machine up: `make run` starts the service, `make test` checks everything.
# `make alternative` measures Askwell beside FastAPI, LangGraph and Redis.
# `make load SCENARIO=peak SCALE=0.1` runs a load scenario on a service of its own: baseline, peak, stress or batch.
PYTHON ?= python3
SCENARIO ?= baseline
SCALE ?= 1
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-cluster test-units install lint load alternative lock clean

run: install
	$(BIN)/askwell up

# The tests of processes on Ray wait more than they compute, so those of single functions run beside them.
test: install lint
	+$(MAKE) --no-print-directory --jobs 2 --output-sync=target test-cluster test-units
	$(BIN)/python -m pytest tests/integration tests/faults --numprocesses 2

test-cluster:
	$(BIN)/python -m pytest tests/cluster

test-units:
	nice -n 19 $(BIN)/python -m pytest tests/unit

load: install
	$(BIN)/python -m loadtests.load $(SCENARIO) --scale $(SCALE)

alternative: install .venv-alternative/.installed
	$(BIN)/python -m loadtests.alternative

install: .venv/.installed

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Askwell needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

.venv-alternative/.installed: loadtests/alternative/requirements.txt | install
	$(PYTHON) -m venv .venv-alternative
	$(BIN)/uv pip sync --python .venv-alternative/bin/python loadtests/alternative/requirements.txt
	touch $@

lock:
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --group dev --python-version 3.11 \
		--output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv .venv-alternative .askwell
