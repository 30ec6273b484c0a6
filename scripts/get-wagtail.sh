#!/bin/sh
# Get Wagtail, a real content management system with a user console, into its own environment .tools/wagtail.
# The browser recipe of the catalogue is run against it; it must not share .venv, because nothing of usher needs it.
set -eu
. "$(dirname -- "$0")/lib.sh"

into="$TOOLS/wagtail"
python=$(find_python) || die "get-wagtail: no Python 3.11 or newer was found; set PYTHON to one"
[ -x "$into/bin/python" ] || "$python" -m venv "$into"
"$into/bin/python" -m pip install --quiet --no-deps --require-hashes --requirement "$ROOT/scripts/wagtail.lock"
"$into/bin/python" -c 'import importlib.metadata as m, wagtail; print("wagtail", m.version("wagtail"), "is ready")'
