#!/bin/sh
# manual.t - every command has a page that names its options and no others; pages are clean; every
# command is completed
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
build=${BUILD:-build}
case $build in /*) ;; *) build=$top/$build ;; esac
count=0
failed=0
check() { # PROBLEMS NAME
    count=$((count + 1))
    if [ -z "$1" ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        echo "$1" | sed 's/^/# /' | head -n 20
        failed=1
    fi
}

# documented PAGE: its options as "--long -s ARGUMENT", those of choices without their argument
documented() {
    awk '/^\.It Fl / {
        long = short = argument = ""
        for (i = 2; i <= NF; i++) {
            if ($i == "Fl" && $(i + 1) == "Fl") long = "--" $(i += 2)
            else if ($i == "Fl") short = "-" $(++i)
            else if ($i == "Ar" && argument == "") argument = $(++i)
        }
        print long, short, argument
    }' "$1" | sort
}

documented man/vlm-stream.5 >"${TMPDIR:-/tmp}/vlm-shared.$$"
shared=${TMPDIR:-/tmp}/vlm-shared.$$
own=${TMPDIR:-/tmp}/vlm-own.$$
trap 'rm -f "$shared" "$own"' EXIT
for source in cmd/*.c; do
    name=${source#cmd/}
    name=${name%.c}
    page=man/$name.1
    if [ ! -f "$page" ]; then
        check "no $page" "$name has a page"
        continue
    fi
    documented "$page" >"$own"
    options=$("$build/$name" --list-options | awk -F '\t' '{ print $1, $2, $3 }' | sort)
    check "$(echo "$options" | cat - | sort | while IFS= read -r line; do
        grep -qxF -e "$line" "$own" "$shared" || echo "not in the manual: $line"
    done)" "$name: every option is in its page or in vlm-stream(5)"
    check "$(while IFS= read -r line; do
        echo "$options" | grep -qxF -e "$line" || echo "no such option: $line"
    done <"$own")" "$name: the page names no other option"
    args=$("$build/$name" --help | sed -n '1s/^usage: [^ ]* \[OPTION...\] *//p')
    check "$(awk '/^\.Sh SYNOPSIS/ { on = 1; next } /^\.Sh/ { on = 0 } on' "$page" |
        awk -v args="$args" '/^\.(Op )?Ar / { sub(/^\.Op Ar /, "["); if (/^\[/) $0 = $0 "]"; sub(/^\.Ar /, "")
            gsub(/ \.\.\./, "..."); if ($0 != "[options]") all = all (all ? " " : "") $0 }
            END { if (all != args) print "page: " all ", command: " args }')" "$name: the synopsis"
    check "$(grep -L "$name" completions/vlm.bash completions/_vlm completions/vlm.fish)" \
        "$name: completions"
done

for page in man/*.[157]; do
    check "$(groff -ww -mdoc -Tutf8 "$page" 2>&1 >/dev/null)" "${page##*/}: groff"
    if command -v mandoc >/dev/null; then
        check "$(mandoc -T lint -W warning "$page" 2>&1)" "${page##*/}: mandoc"
    fi
    check "$(awk '/^\.Xr / { print $2 "." substr($3, 1, 1) }' "$page" | sort -u | while read -r p; do
        case $p in vlm* | capfilt*) [ -f "man/$p" ] || echo "no page $p" ;; esac
    done)" "${page##*/}: the pages it names"
done
check "$(bash -n completions/vlm.bash 2>&1)" 'vlm.bash'
check "$(bash -c '
    PATH=$1:$PATH
    source completions/vlm.bash
    try() {
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _vlm "$1" "${@: -1}" "${@: -2:1}"
        echo "${COMPREPLY[*]}"
    }
    [ "$(try vlm-sim --on-err)" = --on-error ] || echo "no option"
    [ "$(try vlm-sim --on-error s)" = skip ] || echo "no choice"
    [ "$(try vlm-sim --on-error = f)" = fail ] || echo "no choice behind ="
    [ "$(try vlm-sim Makef)" = Makefile ] || echo "no file"
' bash "$build")" 'bash completes options, choices and files'
if command -v zsh >/dev/null; then
    check "$(zsh -n completions/_vlm 2>&1)" '_vlm'
fi
if command -v fish >/dev/null; then
    check "$(fish -n completions/vlm.fish 2>&1)" 'vlm.fish'
fi
echo "1..$count"
exit $failed
