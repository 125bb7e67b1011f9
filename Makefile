# Two commands for a newcomer: `make demo`, `make test`. CI runs `make check` and `make test-slow`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# where a machine is told to keep no bytecode, every process would compile the sources anew
unexport PYTHONDONTWRITEBYTECODE

# the README's performance table; BENCH="--sentences 300 --epochs 2 --rounds 1" cuts it down
BENCH ?=

.PHONY: demo test test-slow test-gpu bench check format lint types imports install clean

demo: $(INSTALLED)
	$(BIN)/alambique demo recipes/demo.yaml

test: $(INSTALLED)
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations=12 -rs -m "not slow and not gpu"

test-slow: $(INSTALLED)
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations=20 -rs -m "slow and not gpu"

test-gpu: $(INSTALLED)
	$(BIN)/pytest -q -m gpu

bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt -e ".[dev,bench]"
	$(BIN)/python -m benchmarks.bench $(BENCH)

check: lint types imports test

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
