#!/usr/bin/env bash
# Sets up and blurs the faces of the photos in examples/: writes blurred.before_after.jpg and a blurred copy of the folder
# into blurred/, and prints what it cost, beside OpenCV. Needs Python 3.10 or later and a C++ compiler; everything that is
# installed goes into .venv-demo/. PYTHON names the interpreter, python3 unless set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

environment=.venv-demo
if [[ ! -x $environment/bin/python ]]; then
  "${PYTHON:-python3}" -m venv "$environment"
  "$environment/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --upgrade pip
fi
echo "Building and installing fastblur into $environment/ ..."
"$environment/bin/python" -m pip install --quiet --quiet ".[dataset]" "opencv-python-headless>=4.10"
exec "$environment/bin/python" examples/quickstart.py "$@"
