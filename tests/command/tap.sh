# tap.sh - tests in shell that print TAP; a test file begins with
#
#     . "$(dirname "$0")/tap.sh"
#
# which puts the commands built in $BUILD first in PATH and makes a scratch folder the working one.
# It runs from any folder: sh tests/command/NAME.t

# bash knows the line of the check that failed, which other shells do not
[ -n "$BASH_VERSION" ] || exec bash -O xpg_echo -O expand_aliases "$0" "$@"
set +o posix
script=$0
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-build} # a folder of the checkout, or anywhere
case $build in /*) ;; *) build=$top/$build ;; esac
PATH=$build:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/vlm-test.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
unset VLM_MODEL VLM_MODELS VLM_CPU SLURM_ARRAY_TASK_ID SLURM_PROCID JOB_COMPLETION_INDEX
cd "$work" || exit 1
count=0
failures=0

# place: where the check stands, "FILE:LINE"; in a function of the test, its caller's line too
place() {
    local i=0 said="#   at" where
    while where=$(caller $i); do
        i=$((i + 1))
        case ${where##* } in
        "$script") said="$said ${script#"$top/"}:${where%% *}" ;;
        esac
    done
    echo "$said"
}

# sanitized: these commands are built with SAN=1, whose shadow memory no ulimit -v has room for
sanitized() { grep -q __asan_init "$build/vlm-filter"; }

# wait_for COMMAND...: until it succeeds; it may take two minutes, for a machine with much else to do
wait_for() {
    local tries=0
    until "$@" || [ $tries = 2400 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    [ $tries -lt 2400 ]
}

# report STATUS NAME: one TAP line
report() {
    count=$((count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        place
        [ "$1" -le 128 ] || echo "#   died by signal $(($1 - 128)) ($(kill -l $(($1 - 128)) 2>/dev/null))"
        failures=$((failures + 1))
        [ -z "$MUTANT" ] || exit 1 # tests/mutants asks no more
        return 1
    fi
}

# ok NAME COMMAND...: the command succeeds
ok() {
    name=$1
    shift
    "$@" >"$work/.out" 2>"$work/.err"
    status=$?
    report $status "$name" || { echo "# status $status: $*"; sed 's/^/# /' "$work/.out" "$work/.err" | head -n 20; }
}

# is GOT EXPECTED NAME: two texts are equal
is() {
    if [ "$1" = "$2" ]; then
        report 0 "$3"
    else
        report 1 "$3"
        printf '%s\n' "$1" | head -n 8 | sed 's/^/#      got: /'
        printf '%s\n' "$2" | head -n 8 | sed 's/^/# expected: /'
    fi
}

# status EXPECTED NAME COMMAND...: the exit status; output is left in .out and .err
status() {
    wanted=$1
    name=$2
    shift 2
    "$@" >"$work/.out" 2>"$work/.err"
    got=$?
    right=0
    [ "$got" = "$wanted" ] || right=$((got > 128 ? got : 1))
    report $right "$name" || { echo "# status $got, expected $wanted: $*"; sed 's/^/# /' "$work/.err" | head -n 10; }
}

# like TEXT PATTERN NAME: the text matches the extended regular expression
like() {
    printf '%s\n' "$1" | grep -Eq -- "$2"
    report $? "$3" || { printf '%s\n' "$1" | head -n 8 | sed 's/^/#     got: /'; echo "# pattern: $2"; }
}

# same FILE FILE NAME: equal byte for byte
same() {
    cmp "$1" "$2" >"$work/.cmp" 2>&1
    report $? "$3" || sed 's/^/# /' "$work/.cmp"
}

finish() {
    echo "1..$count"
    [ "$failures" = 0 ]
}
