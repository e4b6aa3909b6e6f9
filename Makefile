# Two commands set a fresh machine up: `make run` starts the service, `make test` checks everything.
PYTHON ?= python3
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test install lint lock clean

run: install
	$(BIN)/askwell up

test: install lint
	$(BIN)/python -m pytest

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

lock:
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --group dev --python-version 3.11 \
		--output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv .askwell
