#!/bin/sh
# includes.t - an include goes to a lower row of the house or stays in its own folder, each
# third-party package has one door, and lists of commands name each file of cmd/.
#
#   folder: what it may include besides itself
cd "$(dirname "$0")/../.." || exit 1
count=0
failed=0
check() { # STATUS NAME
    count=$((count + 1))
    [ "$1" = 0 ] && echo "ok $count - $2" || { echo "not ok $count - $2"; failed=1; }
}
while IFS=: read -r folder allowed; do
    [ -n "$folder" ] || continue
    bad=$(grep -HnE '^[[:space:]]*#[[:space:]]*include "' $(find "$folder" -name '*.[ch]') |
        while IFS= read -r line; do
            header=${line#*\"}
            header=${header%\"*}
            own=${folder#lib/}
            case " $own $allowed " in
            *" ${header%%/*} "*) ;;
            *) echo "$line" ;;
            esac
        done)
    [ -z "$bad" ]
    check $? "$folder includes only: $allowed" || true
    [ -z "$bad" ] || echo "$bad" | sed 's/^/# /'
done <<TABLE
lib/base:
lib/stream:base
lib/kernel:base
lib/weights:base
lib/image:base
lib/text:base
lib/draw:image base vlm.h
lib/tensor:kernel weights base
lib/op:tensor kernel base
lib/nn:op tensor base
lib/decode:nn op tensor base
lib/checkpoint:decode nn op tensor weights image text base vlm.h
lib/learn:checkpoint decode nn op tensor weights text base
lib/family:learn checkpoint decode nn op tensor weights image text base
lib/api:family learn checkpoint decode nn op tensor weights draw image text base vlm.h
lib/train:family learn checkpoint op tensor weights image text stream base vlm.h
lib/eval:stream base vlm.h
lib/page:stream base vlm.h
lib/cli:stream base vlm.h
cmd:cli train eval page stream base vlm.h
TABLE
while IFS=: read -r header door; do
    [ -n "$header" ] || continue
    bad=$(grep -rlE "#[[:space:]]*include [<\"]$header" cmd lib --include='*.[ch]' | grep -vE "^($door)\$")
    [ -z "$bad" ]
    check $? "$header only in $door"
    [ -z "$bad" ] || echo "$bad" | sed 's/^/# /'
done <<TABLE
stb/:lib/(image|draw)/[a-z_]*\.c
jpeglib:lib/image/[a-z_]*\.c
webp/:lib/image/[a-z_]*\.c
tiffio:lib/image/tiff\.c
libheif/:lib/image/heif\.c
utf8proc:lib/text/[a-z_]*\.c
cblas:lib/kernel/gemm\.c
cbor:lib/stream/cbor\.c
cjson/:lib/base/json\.h
xxhash:lib/base/hash\.c
pcre2:lib/cli/pattern\.c
zstd:lib/stream/unpack\.c
immintrin:lib/kernel/.*
TABLE
for pattern in 'ffast-math' '\b(XXX|TODO|FIXME)\b'; do
    bad=$(grep -rnE "$pattern" cmd lib Makefile | head -n 5)
    [ -z "$bad" ]
    check $? "no $pattern"
    [ -z "$bad" ] || echo "$bad" | sed 's/^/# /'
done
for list in README.md man/vlm.7 completions/vlm.bash completions/_vlm completions/vlm.fish; do
    bad=$(for source in cmd/*.c; do
        name=$(basename "$source" .c)
        grep -qE "(^|[^-a-z])$name([^-a-z]|\$)" "$list" || echo "$name is not named"
    done
    grep -oE '(^|[^-a-z/])vlm-[a-z]+' "$list" | grep -oE 'vlm-[a-z]+' | sort -u | while read -r name; do
        [ -f "cmd/$name.c" ] || ls man/"$name".* >/dev/null 2>&1 || echo "$name is no command"
    done)
    [ -z "$bad" ]
    check $? "$list names every command, and no other"
    [ -z "$bad" ] || echo "$bad" | sed 's/^/# /'
done
echo "1..$count"
exit $failed
