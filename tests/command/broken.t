#!/bin/sh
# broken.t - a folder of broken pictures among good ones: an error each, and the good ones embedded
. "$(dirname "$0")/tap.sh"
export VLM_MODEL="$top/tests/golden/clip/hf-vit"

mkdir all
for f in "$top"/tests/command/broken/* "$top"/tests/command/good/*; do
    cp "$f" "all/$(basename "$(dirname "$f")")-${f##*/}"
done
broken=$(ls all | grep -c '^broken')
find all -type f | LC_ALL=C sort >names
ok 'enough of them' [ "$broken" -ge 40 ]
status 0 'a folder' vlm-embed names --from=names
cp .out out
cp .err err
is "$(wc -l <out)" "$(wc -l <names)" 'a record for each'
is "$(jq -r 'select(.error) | .image' out | LC_ALL=C sort)" "$(grep /broken names)" 'broken ones have an error'
is "$(jq -r 'select(.image_embedding) | .image' out | LC_ALL=C sort)" "$(grep /good names)" 'good ones have a vector'
is "$(jq -r '.error.code // empty' out | sort -u | grep -vxE 'truncated|corrupt|unsupported|too_large|zero_sized|empty|unknown_format')" '' \
    'with a code that the manual knows'
is "$(grep -c '^vlm-embed: names:[0-9]*: all/broken-' err)" "$broken" 'and a line on standard error'
is "$(tail -n 1 err)" "vlm-embed: $broken of $(wc -l <names) records failed" 'and all counted'
for threads in 1 3; do
    vlm-embed -q --threads=$threads --batch=$threads names --from=names >again
    same again out "--threads=$threads"
done
finish
