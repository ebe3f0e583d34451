# Everything here works in a fresh clone; `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS := dev,tables,log,vision,text,export,classical
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
RUN := runs/first

.PHONY: help setup run test fast soak lint types bench docs
help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: .venv/ready ## make .venv with all that the other targets need; does nothing when nothing changed

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4) and "fathom needs Python 3.11.4 or newer; call make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch numpy
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

run: setup ## train LeNet on 10,000 real images and show what it learnt (under two minutes)
	$(BIN)/fathom train lenet --data fashion-mnist-sample --optimizer adam --lr 0.005 --batch-size 64 --epochs 20

test: setup ## all tests but the long ones
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2

fast: setup ## tests without real processes, kills and installs
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m 'not slow and not soak'

soak: setup ## long tests: every recipe, many kills
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m 'soak'

lint: setup ## style and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup ## static types
	$(BIN)/mypy

bench: setup ## time fathom beside its peers, into docs/benchmarks; FATHOM_DATA=… takes the full data
	$(BIN)/python -m benchmarks --out docs/benchmarks

docs: setup ## write the generated pages of docs/
	$(BIN)/fathom ladder --out docs/ladder.md
	$(BIN)/fathom report --out docs/report
