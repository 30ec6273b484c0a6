#!/bin/sh
# The whole gate: set-up, lint, types, import contracts, then each suite of tests; minutes for each, one closing line.
# SUITES="usher twins" runs only those. Software that is missing is reported as not run; REQUIRE=all makes it a failure.
set -u
. "$(dirname -- "$0")/lib.sh"

SUITES=${SUITES:-"gate usher twins connectors examples journeys acceptance faults docs"}
mkdir -p var
rm -f var/test-results.json var/not-run.txt .coverage .coverage.*
minutes= failed= begun=$(date +%s)

# Print the folders of one suite; those of `connectors` lie inside usher's.
paths_of() {
    case "$1" in
        usher) say "tests/usher --ignore=tests/usher/connectors" ;;
        connectors) say "tests/usher/connectors src/usher/catalog" ;;
        *) say "tests/$1" ;;
    esac
}

# Two processes share a suite's tests, more where tests wait much; the documents' blocks are shared out by their suite.
workers_of() {
    case "$1" in
        gate | docs) say 0 ;;
        connectors) say "${TEST_WORKERS:-4}" ;;
        faults) say "${TEST_WORKERS:-3}" ;;
        *) say "${TEST_WORKERS:-2}" ;;
    esac
}

# Tests that each start what they need are shared out one by one; else a file stays together with what it started once.
sharing_of() {
    case "$1" in
        usher | connectors | twins | journeys | faults) say worksteal ;;
        *) say loadfile ;;
    esac
}

# With COVER=yes, as in CI, coverage is counted where the code runs in the test's own process; it costs a third more time.
coverage_of() {
    case "${COVER:-no} $1" in
        "yes usher" | "yes connectors" | "yes journeys") say "--cov --cov-append --cov-report=" ;;
    esac
}

# Run a command as one named part of the gate; remember its minutes and whether it failed.
part() {
    part_name=$1
    shift
    printf '\n== %s\n' "$part_name"
    start=$(date +%s)
    "$@"
    code=$?
    spent=$(($(date +%s) - start))
    outcome=passed
    if [ "$code" -ne 0 ]; then
        outcome=FAILED
        failed="$failed $part_name"
    fi
    minutes="$minutes$(printf '%-12s %3d min %02d s  %s' "$part_name" $((spent / 60)) $((spent % 60)) "$outcome")
"
}

missing() { complain "$*"; return 1; }

# Run the tests of one suite; a suite without any is a failure, because nobody would miss it.
suite() {
    found= options=
    for path in $(paths_of "$1"); do
        case "$path" in
            --*) options="$options $path" ;;
            *) [ ! -e "$path" ] || found="$found $path" ;;
        esac
    done
    if [ -z "$found" ]; then
        part "$1" missing "there is no $(paths_of "$1")"
        return
    fi
    # shellcheck disable=SC2086
    part "$1" "$PY" -m pytest -q -n "$(workers_of "$1")" --dist "$(sharing_of "$1")" $found $options $(coverage_of "$1")
}

# A folder of tests that belongs to no suite would never run; refuse it.
every_folder_has_a_suite() {
    for folder in tests/*/; do
        name=$(basename "$folder")
        case " gate usher twins examples journeys acceptance faults docs __pycache__ helpers " in
            *" $name "*) ;;
            *) complain "tests/$name belongs to no suite of scripts/test.sh"; return 1 ;;
        esac
    done
}

# Start the suites that mostly wait, or take one core, one after the other beside the rest; what they print comes at the
# end. One at a time: more processes than that on two cores make every test wait, and some of them look at the clock.
begin_beside() {
    (
        for one in $BESIDE; do
            (
                minutes= failed=
                suite "$one"
                printf '%s' "$minutes" >"var/beside-$one.minutes"
                [ -z "$failed" ] || : >"var/beside-$one.failed"
            ) >"var/beside-$one.log" 2>&1
        done
    ) &
    pid_beside=$!
}

# Wait for them, and print what they printed.
end_beside() {
    wait "$pid_beside"
    for one in $BESIDE; do
        cat "var/beside-$one.log"
        minutes="$minutes$(cat "var/beside-$one.minutes" 2>/dev/null || printf '%-12s            FAILED' "$one")
"
        [ -e "var/beside-$one.minutes" ] && [ ! -e "var/beside-$one.failed" ] || failed="$failed $one"
    done
}

part setup sh scripts/setup.sh
case "$failed" in *setup*) die "test: set-up failed; see the lines above" ;; esac
if found=$(find_chromium); then USHER_CHROMIUM=$found; export USHER_CHROMIUM; fi
part lint sh -c '"$0/ruff" check . && "$0/ruff" format --check .' "$VENV/bin"
part types "$VENV/bin/mypy"
part contracts "$VENV/bin/lint-imports" --no-logo
part layout every_folder_has_a_suite
AT_LAST="journeys faults" BESIDE= begun_beside=no
for name in $SUITES; do
    case "$name" in acceptance | docs) BESIDE="$BESIDE $name" ;; esac
done
rm -f var/beside-*
for name in $SUITES; do
    case " $BESIDE " in *" $name "*) continue ;; esac
    case " $AT_LAST " in
        *" $name "*) [ "$begun_beside" = yes ] || { begun_beside=yes; begin_beside; } ;;
    esac
    suite "$name"
done
[ "$begun_beside" = yes ] || begin_beside
end_beside
# A row of the mission that says "works" must have passed just now; a part of the suites cannot tell.
case "$SUITES" in *docs*faults* | *faults*docs*) part mission "$PY" scripts/check_docs.py --no-blocks --results var/test-results.json ;; esac

printf '\n== coverage\n'
"$VENV/bin/coverage" report 2>/dev/null | grep '^TOTAL' || say "not counted; COVER=yes make test counts it"
printf '\n== minutes\n%s' "$minutes"
if [ -s var/not-run.txt ]; then
    printf '\n== not run\n'
    sort -u var/not-run.txt
fi
total=$(($(date +%s) - begun))
printf '\n'
if [ -n "$failed" ]; then
    say "test: FAILED:$failed ($((total / 60)) min $((total % 60)) s)"
    exit 1
fi
say "test: all passed ($((total / 60)) min $((total % 60)) s)"
