#!/bin/sh
# Write the lock files anew from pyproject.toml: hashes, no download addresses, one set for every platform.
set -eu
. "$(dirname -- "$0")/lib.sh"
UV_VERSION=0.13.9

[ -x "$UV" ] || sh scripts/setup.sh
compile() {
    "$UV" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header "$@"
}
compile pyproject.toml --group dev -o requirements-dev.lock
compile pyproject.toml -c requirements-dev.lock -o requirements.lock
say "uv==$UV_VERSION" | compile --no-annotate - -o requirements-boot.lock
say "lock: requirements.lock (usher), requirements-dev.lock (usher, demo, tests), requirements-boot.lock (uv)"
