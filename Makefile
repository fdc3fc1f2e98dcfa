# Everything a developer does; `make help` lists it. Needs python3 with venv and pip, and nothing else.
PYTHON ?= python3
BIN := .venv/bin
PIP := -m pip --disable-pip-version-check --quiet
DATA ?= ../shared/data
LOCK := requirements
export OPENBLAS_NUM_THREADS ?= 1  # small fits on many threads wait for each other
export GIGAWATT_LOCKED ?= 1  # goldens are those of the locked versions

.DEFAULT_GOAL := help
.PHONY: help demo test laws check examples wheel newest oldest ci golden readme model validate bench lock format clean

help:  ## list the targets
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

.venv/made:  # a fresh environment, made once
	@echo "making .venv"
	@$(PYTHON) -m venv .venv
	@touch $@

# Versions are those of the lock, held to their hashes; the build backend too, so no isolated build fetches another.
.venv/run: .venv/made pyproject.toml $(LOCK)/run.txt  # what `gigawatt` needs
	@echo "installing gigawatt (once)"
	@$(BIN)/python $(PIP) install --require-hashes -r $(LOCK)/run.txt
	@$(BIN)/python $(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

.venv/dev: .venv/run $(LOCK)/dev.txt  # what tests and checks need
	@echo "installing test and lint tools (once)"
	@$(BIN)/python $(PIP) install --require-hashes -r $(LOCK)/dev.txt
	@touch $@

demo: .venv/run  ## plan the announced 10 GW, check what was said of it, and say where the report is
	@$(BIN)/gigawatt run announcement --claims

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

examples: .venv/dev  ## doctests, and every shipped scenario from the command line
	@$(BIN)/python -m pytest --doctest-modules src/gigawatt -n 2
	@for name in announcement renegotiated low-latency neocloud open-tokens value-of-speed regions; do $(BIN)/gigawatt run $$name --out .venv/runs || exit 1; done

# A part of the suite that goes through every door and every engine; goldens are those of the locked versions.
CORE := tests/doors tests/golden tests/laws/test_run_laws.py tests/unit/plan tests/unit/study/test_tree.py

wheel: .venv/dev  ## build the wheel, install it elsewhere, run it without the source tree
	@bash tests/wheel.sh "$(PYTHON)" "$(BIN)/python"

newest: .venv/dev  ## the core of the suite on the newest versions that the package allows
	@bash tests/versions.sh "$(PYTHON)" newest $(CORE)

oldest: .venv/dev  ## the core of the suite on the oldest versions that the package allows
	@bash tests/versions.sh "$(PYTHON)" oldest $(CORE)

ci: check test examples wheel newest oldest  ## what has to pass before a change lands

golden: .venv/dev  ## rewrite the goldens and show what changed
	@$(BIN)/python -m pytest tests/golden --rewrite-golden -n 0
	@git --no-pager diff --stat -- tests/golden

validate: .venv/dev  ## predicted against measured -> docs/validation.md; DATA=folder of measurements
	@$(BIN)/python benchmarks/validate.py $(DATA)

readme: .venv/dev  ## write what README.md says of runs, and draw its figure
	@$(BIN)/python benchmarks/readme.py

model: .venv/dev  ## write docs/reference/model.md from what the planner says of itself
	@$(BIN)/python benchmarks/model.py

bench: .venv/dev  ## time import, build, hand-off and solve; prints medians
	@$(BIN)/python benchmarks/plan.py
	@$(BIN)/python benchmarks/perf.py
	@$(BIN)/python benchmarks/serving.py
	@$(BIN)/python benchmarks/tree.py  # minutes

lock: .venv/made  ## resolve anew what is installed: newest allowed versions, and the oldest for `make oldest`
	@$(PYTHON) -m venv .venv/lock
	@.venv/lock/bin/python $(PIP) install 'uv>=0.5'
	@for one in "dev --universal --upgrade --group build --group test --group lint" \
	  "run --universal --group build --constraints $(LOCK)/dev.txt" \
	  "oldest --resolution lowest-direct --group build --group test"; do set -- $$one; name=$$1; shift; \
	  .venv/lock/bin/uv pip compile pyproject.toml --python-version 3.11 --generate-hashes --quiet \
	    --custom-compile-command "make lock" --output-file $(LOCK)/$$name.txt "$$@" || exit 1; done
	@git --no-pager diff --stat -- $(LOCK)

format: .venv/dev  ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:  ## remove the environment and runs
	rm -rf .venv runs
