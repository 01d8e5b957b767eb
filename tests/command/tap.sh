# tap.sh - tests in shell that print TAP; a test file begins with
#
#     . "$(dirname "$0")/tap.sh"
#
# which puts the commands built in $BUILD first in PATH and makes a scratch folder the working one.

top=$(cd "$(dirname "$0")/../.." && pwd)
build=$top/${BUILD:-build}
PATH=$build:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/vlm-test.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
unset VLM_MODEL VLM_MODELS VLM_CPU SLURM_ARRAY_TASK_ID
cd "$work" || exit 1
count=0
failures=0

# report STATUS NAME: one TAP line
report() {
    count=$((count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        failures=$((failures + 1))
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
    [ "$got" = "$wanted" ]
    report $? "$name" || { echo "# status $got, expected $wanted: $*"; sed 's/^/# /' "$work/.err" | head -n 10; }
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
