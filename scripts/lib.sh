# Shared by the scripts beside it: where things are, how we speak, how we find Python, uv and a browser. POSIX sh; source it.

ROOT=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
BOOT="$ROOT/.boot"
VENV="$ROOT/.venv"
TOOLS="$ROOT/.tools"
PY="$VENV/bin/python"
UV="$BOOT/bin/uv"
UV_SYSTEM_CERTS=1
UV_LINK_MODE=${UV_LINK_MODE:-copy}
PIP_DISABLE_PIP_VERSION_CHECK=1
export UV_SYSTEM_CERTS UV_LINK_MODE PIP_DISABLE_PIP_VERSION_CHECK
cd "$ROOT" || exit 1

say() { printf '%s\n' "$*"; }
complain() { printf '%s\n' "$*" >&2; }
die() { complain "$*"; exit 1; }

# True when this machine lets us install system packages.
can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

APT_FRESH=
# Install Debian or Ubuntu packages; the first call refreshes the package lists.
apt_install() {
    say "setup: installing system packages: $*"
    if [ -z "$APT_FRESH" ]; then
        apt-get update -qq >/dev/null 2>&1 || complain "setup: apt-get update failed; going on with the lists that are there"
        APT_FRESH=yes
    fi
    log=$(mktemp)
    if DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1; then
        rm -f "$log"
    else
        tail -n 5 "$log" >&2
        rm -f "$log"
        return 1
    fi
}

# Print the first interpreter that is Python 3.11 or newer, PYTHON first when it is set.
find_python() {
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

# Print a Chromium or Chrome that starts: USHER_CHROMIUM first, then PATH, then macOS, then Playwright's own download.
find_chromium() {
    for name in ${USHER_CHROMIUM:-} chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
        found=$(command -v "$name" 2>/dev/null) || continue
        if "$found" --version >/dev/null 2>&1; then
            say "$found"
            return 0
        fi
    done
    for found in "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
        "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}"/chromium-*/chrome-linux*/chrome; do
        if [ -x "$found" ]; then
            say "$found"
            return 0
        fi
    done
    return 1
}

# Print a digest of files; the same content gives the same digest on every machine.
digest_of() { cat -- "$@" | cksum | tr ' ' '-'; }
