#!/bin/sh
# Get Canaille, a real identity server with a SCIM door, into its own environment .tools/canaille (about 115 MB).
# It must not share .venv: it needs an older scim2-models than our own tests do.
set -eu
. "$(dirname -- "$0")/lib.sh"

into="$TOOLS/canaille"
python=$(find_python) || die "get-canaille: no Python 3.11 or newer was found; set PYTHON to one"
[ -x "$into/bin/python" ] || "$python" -m venv "$into"
"$into/bin/python" -m pip install --quiet --no-deps --require-hashes --requirement "$ROOT/scripts/canaille.lock"
"$into/bin/python" -c 'import importlib.metadata as m, canaille.scim; print("canaille", m.version("canaille"), "is ready")'
