#!/bin/sh
# The guide's leaver and joiner at Acme, end to end. Without a terminal it approves by itself (--yes) and says so.
set -eu
. "$(dirname -- "$0")/lib.sh"
sh scripts/setup.sh
if found=$(find_chromium); then USHER_CHROMIUM=$found; export USHER_CHROMIUM; fi
[ -t 0 ] && [ -t 1 ] || set -- --yes "$@"
exec "$VENV/bin/usher" demo "$@"
