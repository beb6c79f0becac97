# make train   installs mixkit and trains the flagship recipe on the demo task
# make bench   compares mixkit with the paper's pseudo code, transformers, timm and torchaudio, and writes a table
# make gpu     shows on a CUDA GPU what one can show: tests, speed, the main job; make gpu DEVICE=cpu tries it, small
# make test    installs what development needs and runs ruff, import-linter, mypy and the tests
# make quick   runs the units alone, in about a minute, and says what it left out
# make docs    builds the documentation into site/; open site/index.html
PYTHON ?= python3
BIN := .venv/bin

PYTEST := $(BIN)/pytest -n auto --dist worksteal

# A test starts hundreds of processes; each starts sooner where what is imported was compiled once.
export PYTHONDONTWRITEBYTECODE =

.PHONY: train test quick docs bench gpu clean

train: .venv/installed
	$(BIN)/mixkit train recipes/asm_rh.gin

bench: .venv/installed-dev
	$(BIN)/python benchmarks/all.py

# Where there is no .venv, as on a machine that is lent bare, with the Python that has torch.
gpu:
	$(or $(wildcard $(BIN)/python),$(PYTHON)) benchmarks/gpu.py --device $(or $(DEVICE),cuda)

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(PYTEST)

quick: .venv/installed-dev
	$(PYTEST) --quick

docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Open site/index.html"

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mixkit needs Python 3.11 or newer; say which with: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@ .venv/installed

.venv/installed-docs: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@ .venv/installed

clean:
	rm -rf .venv site build dist *.egg-info
