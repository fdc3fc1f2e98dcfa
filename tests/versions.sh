#!/usr/bin/env bash
# The core of the suite on other versions of what gigawatt stands on.   versions.sh PYTHON newest|oldest TESTS...
set -euo pipefail
python=$1 which=$2
shift 2
if [ "$which" = oldest ] && ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
  echo "oldest: the oldest versions have wheels for Python 3.11 alone, and this is $("$python" --version): not tested"
  exit 0
fi
home=.venv/$which
rm -rf "$home"
"$python" -m venv "$home"
pip=("$home/bin/python" -m pip --disable-pip-version-check --quiet install)
if [ "$which" = oldest ]; then
  "${pip[@]}" --require-hashes -r requirements/oldest.txt
  "${pip[@]}" --no-build-isolation --no-deps --editable .
else
  "${pip[@]}" --upgrade pip
  "$home/bin/python" -m pip --quiet install --upgrade --editable . --group test
fi
echo "$which: $("$home/bin/python" -m pip list --format freeze 2>/dev/null |
  grep -iE '^(h5py|highspy|numba|numpy|pandas|plotly|pyarrow|pydantic|pytest|scipy|typer|xarray)==' | tr '\n' ' ')"
exec env GIGAWATT_LOCKED=0 "$home/bin/python" -m pytest "$@"
