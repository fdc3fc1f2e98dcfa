# Everything a developer does; `make help` lists it. Needs python3 with venv and pip, and nothing else.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
DATA ?= ../shared/data
export OPENBLAS_NUM_THREADS ?= 1  # small fits on many threads wait for each other

.DEFAULT_GOAL := help
.PHONY: help demo test laws check ci golden validate bench format clean

help:  ## list the targets
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

.venv/pip:  # a fresh environment, made once
	@echo "making .venv"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --upgrade 'pip>=25.1' 2>.venv/pip.log || (cat .venv/pip.log; exit 1)
	@touch $@

.venv/run: .venv/pip pyproject.toml  # what `gigawatt` needs
	@echo "installing gigawatt (once)"
	@$(PIP) install --editable . 2>.venv/pip.log || (cat .venv/pip.log; exit 1)
	@touch $@

.venv/dev: .venv/run  # what tests and checks need
	@echo "installing test and lint tools (once)"
	@$(PIP) install --group test --group lint 2>.venv/pip.log || (cat .venv/pip.log; exit 1)
	@touch $@

demo: .venv/run  ## plan the announced 10 GW and say where the report is
	@$(BIN)/gigawatt run announcement

test: .venv/dev  ## run the tests
	@$(BIN)/python -m pytest

laws: .venv/dev  ## run the heavy laws: hundreds of random scenarios, kills and surroundings; minutes
	@$(BIN)/python -m pytest -m heavy

check: .venv/dev  ## floor plan, lint, types, spelling
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/codespell src tests docs README.md CONTRIBUTING.md CHANGELOG.md Makefile pyproject.toml

ci: check test  ## what has to pass before a change lands: checks, tests, doctests, the shipped scenarios
	@$(BIN)/python -m pytest --doctest-modules src/gigawatt -n 2
	@for name in announcement renegotiated low-latency neocloud open-tokens value-of-speed regions; do $(BIN)/gigawatt run $$name --out .venv/runs || exit 1; done

golden: .venv/dev  ## rewrite the goldens and show what changed
	@$(BIN)/python -m pytest tests/golden --rewrite-golden -n 0
	@git --no-pager diff --stat -- tests/golden

validate: .venv/dev  ## predicted against measured -> docs/validation.md; DATA=folder of measurements
	@$(BIN)/python benchmarks/validate.py $(DATA)

bench: .venv/dev  ## time import, build, hand-off and solve; prints medians
	@$(BIN)/python benchmarks/plan.py
	@$(BIN)/python benchmarks/perf.py
	@$(BIN)/python benchmarks/serving.py
	@$(BIN)/python benchmarks/tree.py  # minutes

format: .venv/dev  ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:  ## remove the environment and runs
	rm -rf .venv runs
