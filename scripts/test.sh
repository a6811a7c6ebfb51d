#!/usr/bin/env bash
# Sets up and passes the tests. Needs Python 3.10 or later and a C++ compiler; everything else goes into .nox/.
#
#   ./scripts/test.sh                       the tests
#   ./scripts/test.sh lint types            other sessions of noxfile.py
#   ./scripts/test.sh tests -- -k border    arguments for pytest
#
# PYTHON names the interpreter, python3 unless set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runner=.nox/runner
if ! "$runner/bin/python" -c "import nox" 2>/dev/null; then
  "${PYTHON:-python3}" -m venv --clear "$runner"
  "$runner/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --upgrade pip "nox>=2025.2.9"
fi

sessions=()
while (($# > 0)) && [[ "$1" != -- ]]; do
  sessions+=("$1")
  shift
done
exec "$runner/bin/python" -m nox --session "${sessions[@]:-tests}" "$@"
