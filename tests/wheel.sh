#!/usr/bin/env bash
# The wheel, built, installed in an environment of its own and run where no source tree is.   wheel.sh PYTHON BUILDER
set -euo pipefail
python=$1 builder=$2
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
"$builder" -m hatchling build -t wheel -d "$at" >/dev/null
"$python" -m venv "$at/env"
"$at/env/bin/python" -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/run.txt
"$at/env/bin/python" -m pip --disable-pip-version-check --quiet install --no-deps "$at"/gigawatt-*.whl
cd "$at"
unset PYTHONPATH
g=env/bin/gigawatt
echo "wheel: $(basename gigawatt-*.whl), $(du -h gigawatt-*.whl | cut -f1)"
$g new my.yaml >/dev/null
$g validate my.yaml >/dev/null
$g run my.yaml >/dev/null
$g tree my.yaml --json | "$at/env/bin/python" -c 'import json, sys; assert json.load(sys.stdin)["expected_usd"] > 0'
$g perf llama-70b --systems h200 >/dev/null
$g cite runs/* >/dev/null
env/bin/python -c 'import gigawatt, sys; assert "env/lib" in gigawatt.__file__, gigawatt.__file__'
echo "wheel: new, validate, run, tree, perf, cite: 6 passed without the source tree"
