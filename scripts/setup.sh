#!/bin/sh
# Make a fresh checkout ready: a pinned uv in .boot, every locked package in .venv, a browser where one can be had.
# Needs Python 3.11 or newer. Says what it installs; does nothing, quickly, when all is in place.
set -eu
. "$(dirname -- "$0")/lib.sh"

ensure_venv_module() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 && return 0
    package=$("$1" -c 'import sys; print("python3-venv" if sys.executable.endswith("python3") else f"python3.{sys.version_info[1]}-venv")')
    if can_apt; then
        apt_install "$package" || die "setup: could not install $package; see the lines above"
    else
        die "setup: Python's venv module is missing. Install it, then repeat: sudo apt-get install $package"
    fi
}

ensure_uv() {
    stamp="$BOOT/.stamp-$(digest_of requirements-boot.lock)"
    if [ -f "$stamp" ] && [ -x "$UV" ]; then return 0; fi
    say "setup: installing uv (the installer) into .boot"
    [ -x "$BOOT/bin/python" ] && "$BOOT/bin/python" -m pip --version >/dev/null 2>&1 || "$1" -m venv --clear "$BOOT"
    "$BOOT/bin/python" -m pip install --quiet --require-hashes -r requirements-boot.lock
    rm -f "$BOOT"/.stamp-*
    : >"$stamp"
}

ensure_packages() {
    stamp="$VENV/.stamp-$(digest_of requirements-dev.lock pyproject.toml)"
    if [ -f "$stamp" ] && "$PY" -c 'import usher' >/dev/null 2>&1; then return 0; fi
    say "setup: installing $(grep -c '^[a-z].*==' requirements-dev.lock) locked packages into .venv"
    "$PY" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || "$UV" venv --quiet --clear --python "$1" "$VENV"
    "$UV" pip install --quiet --python "$PY" --require-hashes -r requirements-dev.lock
    "$UV" pip install --quiet --python "$PY" --no-build-isolation --no-deps --editable .
    rm -f "$VENV"/.stamp-*
    : >"$stamp"
}

ensure_chromium() {
    find_chromium >/dev/null && return 0
    distribution=$(. /etc/os-release 2>/dev/null && say "${ID:-}") || distribution=
    # Ubuntu's package of this name is only a pointer to a snap; Debian's is the browser.
    if [ "$distribution" = debian ] && can_apt; then
        # The headless build of the same package costs half the processor time a job; older releases lack it.
        apt_install chromium-headless-shell fonts-dejavu-core && return 0
        apt_install chromium fonts-dejavu-core && return 0
    fi
    say "setup: downloading a browser for the apps without an API (Playwright's Chromium)"
    with=
    can_apt && with=--with-deps
    # shellcheck disable=SC2086
    if command -v timeout >/dev/null 2>&1; then
        timeout 300 "$VENV/bin/playwright" install $with chromium >/dev/null 2>&1 && return 0
    else
        "$VENV/bin/playwright" install $with chromium >/dev/null 2>&1 && return 0
    fi
    complain "setup: no Chromium; apps without an API need one: sudo apt-get install chromium fonts-dejavu-core (going on without)"
}

# The real software that some tests run against; optional on a developer's machine, demanded by REQUIRE=all.
ensure_real_software() {
    for script in "$ROOT"/scripts/get-*.sh; do
        [ -f "$script" ] || continue
        say "setup: $(basename "$script" .sh)"
        sh "$script"
    done
}

if ! python=$(find_python); then
    can_apt && apt_install python3 python3-venv || true
    python=$(find_python) || die "setup: Python 3.11 or newer is needed and was not found. Install it, or name one: PYTHON=/path/to/python3.12 make setup"
fi
case "$(uname -s)" in Linux) ;; *) say "setup: written for $(uname -s), not shown there" ;; esac
if [ ! -x "$UV" ]; then ensure_venv_module "$python"; fi
ensure_uv "$python"
ensure_packages "$python"
ensure_chromium
if [ "${REQUIRE:-}" = all ]; then ensure_real_software; fi
say "setup: ready"
