#!/bin/sh
# Remove what set-up, tests and the demo made; nothing that is in the repository.
set -eu
. "$(dirname -- "$0")/lib.sh"
rm -rf .boot .venv .tools var dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
find src tests examples scripts -name __pycache__ -type d -prune -exec rm -rf {} +
say "clean: done"
