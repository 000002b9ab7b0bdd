# The words that people and CI both say.
#
#   make demo       make the environment, then simulate, despeckle and score a scene into demo/
#   make test       make the environment, then run the tests (a few minutes)
#   make check      the whole gate: format, lint, types, imports, doctests, tests
#   make test-all   the tests that take longer too, and those of the built wheel
#   make test-bare  every command once, in an environment with nothing but sardiff
#   make test-diffusers  the adapter of diffusers, which this installs, against the library
#   make notebooks  execute the notebooks, from top to bottom and small
#   make lint       format, lint, types, imports
#   make plugin     build the QGIS plugin, dist/sardiff_qgis.zip, and check it by the rules of the plugin site
#   make docs       build the pages into build/docs, warnings being errors, and run the examples in them
#   make bench      measure quality, speed, trust and durability into benchmarks/results, and write docs/results.md (hours)
#   make weights    train the two shipped networks on IMAGES into weights/ (docs/training.md; hours, resumes)
#   make setup      the environment alone
#   make clean      remove what these made, but for the environment
#
# PYTHON chooses the interpreter of a new environment, DEMO, PYTEST and BENCH add options:
#
#   make test PYTHON=python3.12 PYTEST="-x -k gamma"
#   make demo DEMO="--size 512"
#   make bench BENCH=--quick
#   make weights IMAGES=folder MINUTES=250

PYTHON ?= python3
VENV ?= .venv
DEMO ?=
BENCH ?=
PYTEST ?=
IMAGES ?= ../shared/data/train
MINUTES ?= 250
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Tests side by side, each on one thread: their images are small, and threads would wait for one another.
RUN := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal
WITH_DOCTESTS := --doctest-modules tests sardiff tiling geo_io

.PHONY: help setup lint format rules types imports check test test-slow test-wheel test-bare test-diffusers test-all
.PHONY: notebooks docs plugin bench weights demo clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

setup: $(INSTALLED)

# torch first: what is installed after it finds it there, and leaves the build as it is.
$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(BIN)/python || { \
		$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || { \
			echo "sardiff needs Python 3.10 to 3.13, $(PYTHON) is another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
			exit 1; \
		}; \
		echo "Making the environment $(VENV)"; \
		$(PYTHON) -m venv $(VENV); \
	}
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch numpy
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

lint: format rules types imports

format: $(INSTALLED)
	$(BIN)/ruff format --check .

rules: $(INSTALLED)
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports --no-cache --no-logo

check: lint test

test: $(INSTALLED)
	$(RUN) -m "not slow and not wheel and not notebook" $(PYTEST) $(WITH_DOCTESTS)

test-slow: $(INSTALLED)
	$(RUN) -m "slow and not wheel" $(PYTEST) tests

test-wheel: $(INSTALLED)
	$(RUN) -n 0 -m wheel $(PYTEST) tests

notebooks: $(INSTALLED)
	$(RUN) -m notebook $(PYTEST) tests/test_notebooks.py

test-diffusers: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[diffusers]'
	$(RUN) $(PYTEST) tests/sardiff/priors/adapters

test-bare:
	rm -rf build/bare
	$(PYTHON) -m venv build/bare
	build/bare/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch numpy
	build/bare/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt .
	build/bare/bin/python tests/bare.py

test-all: $(INSTALLED)
	$(RUN) -m "not wheel" $(PYTEST) $(WITH_DOCTESTS)
	$(RUN) -n 0 -m wheel $(PYTEST) tests

plugin:
	$(PYTHON) qgis_plugin/build.py

docs: $(INSTALLED)
	$(BIN)/python -m sphinx -n -W --keep-going -q -b html docs build/docs
	$(BIN)/python -m sphinx -n -W --keep-going -q -b doctest -d build/docs/.doctrees docs build/doctest

demo: $(INSTALLED)
	$(BIN)/sardiff demo $(DEMO)

bench: $(INSTALLED)
	for script in quality real stacks correlated trust engine kill invariance; do \
		$(BIN)/python benchmarks/$$script.py --save $(BENCH) || exit 1; \
	done
	$(BIN)/python benchmarks/restore.py --parts fill --save --name fill $(BENCH)
	$(BIN)/python benchmarks/restore.py --parts deblur --save --name deblur $(BENCH)
	$(BIN)/python benchmarks/restore.py --parts colour headroom --save --name colours $(BENCH)
	$(BIN)/python benchmarks/summary.py

# The recipe of the shipped networks: first the prior alone, then, from there, the network that reads the measurement.
weights: $(INSTALLED)
	mkdir -p weights
	test -f weights/log_intensity.safetensors || \
		$(BIN)/sardiff train $(IMAGES) --out weights/log_intensity --minutes 120 --rate 5e-4
	$(BIN)/sardiff train $(IMAGES) --out weights/log_speckle --minutes $(MINUTES) --rate 4e-4 --measured --landscapes 24 \
		--start weights/log_intensity.safetensors

clean:
	rm -rf demo notebooks/output build dist docs/api/modules *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find sardiff tiling geo_io qgis_plugin tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
