#!/bin/sh
# One check by name: lint, types, contracts, docs, or the long form of the fault runs (about half an hour).
set -eu
. "$(dirname -- "$0")/lib.sh"
sh scripts/setup.sh >/dev/null || sh scripts/setup.sh
case "${1:-}" in
    lint)
        "$VENV/bin/ruff" check . && exec "$VENV/bin/ruff" format --check . ;;
    types)
        exec "$VENV/bin/mypy" ;;
    contracts)
        exec "$VENV/bin/lint-imports" --no-logo ;;
    docs)
        "$PY" scripts/render_docs.py --check && "$PY" scripts/render_reference.py --check && exec "$PY" scripts/check_docs.py ;;
    faults)
        shift; "$PY" -m tests.faults --long "$@" || exit 1
        [ $# -gt 0 ] || LONG=yes exec "$PY" -m pytest -q tests/journeys/test_restore.py tests/usher/connectors/browser/test_drift.py \
            tests/usher/connectors/browser/test_conformance.py tests/acceptance/test_demo.py \
            tests/faults/test_leases.py tests/journeys/test_five_hundred.py tests/journeys/test_dead_app.py \
            tests/journeys/test_at.py ;;
    *)
        die "usage: sh scripts/check.sh lint|types|contracts|docs|faults" ;;
esac
