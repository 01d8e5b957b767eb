#!/bin/sh
# resume.t - killed anywhere and run again, the file is that of a run that was not
. "$(dirname "$0")/tap.sh"

awk 'BEGIN { for (i = 1; i <= 3000; i++) {
    printf "{\"id\":%d,\"image_embedding\":[%d,1],\"text_embedding\":[1,%d", i, i % 17, i % 5
    print (i % 7 ? "" : ",3") "]}"
} }' >in
vlm-sim -q in >wanted
vlm-sim -qb in >wanted.cbor
vlm-sim -q --on-error=skip in >wanted.skip
size=$(wc -c <wanted)

bad=
for n in 0 1 2 3 5 8 13 21 34 55 89 144 233 377 610 987 1597 1598; do
    head -c $((n * size / 1600)) wanted >out
    vlm-sim -q --resume out in && cmp -s out wanted || bad="$bad $n"
    head -c $((n * $(wc -c <wanted.cbor) / 1600)) wanted.cbor >out.cbor
    vlm-sim -qb --resume out.cbor in && cmp -s out.cbor wanted.cbor || bad="$bad b$n"
    head -c $((n * $(wc -c <wanted.skip) / 1600)) wanted.skip >out.skip
    vlm-sim -q --on-error=skip --resume out.skip in && cmp -s out.skip wanted.skip || bad="$bad s$n"
done
is "$bad" '' 'an output cut anywhere is completed'

# killed for real: records are fed slowly, so that each run gets somewhere
cat >run <<'END'
echo $$ >pid
exec vlm-sim -q --resume out
END
rm -f out
killed=0
for pause in 0.08 0.03 0.05 0.09 0.02 0.07 0.04 0.06 0.03 0.05; do
    rm -f pid
    awk '{ print } NR % 300 == 0 { fflush(); system("sleep 0.01") }' in 2>/dev/null | sh run &
    sleep $pause
    [ -s pid ] && kill -9 "$(cat pid)" 2>/dev/null && killed=$((killed + 1))
    wait
done 2>/dev/null
ok 'runs were killed' [ $killed -ge 5 ]
ok 'the last run' vlm-sim -q --resume out in
same out wanted 'killed ten times, then finished: the same file'
ok 'once more' vlm-sim -q --resume out in
same out wanted 'nothing is left to do'

sed '5s/\[5,1\]/[6,1]/' in >other
cp out before
status 1 'another input is refused' vlm-sim --resume out other
like "$(cat .err)" 'out was not made from this input: its record 5 does not come from other:5' 'and why'
same out before 'and the file is left alone'
head -n 2999 in >shorter
status 1 'a shorter input is refused' vlm-sim --resume out shorter
head -c 1000 wanted >out
head -n 3 in >shorter
cp out before
status 1 'even before a torn record is cut off' vlm-sim --resume out shorter
same out before 'the file is left alone'
status 1 'a file in the other form is refused' vlm-sim --resume wanted.cbor in
status 2 '--resume and a mode that needs all of the input' vlm-sim --resume out --near-duplicates=1 in

awk 'NR % 7 { print } NR % 7 == 0 { sub(/,3\]/, "]"); print }' in >mended
vlm-sim -q in >out
status 1 'a mended input is another input' vlm-sim -q --resume out mended

# errors that go away: a file that was missing
printf 'no image' >a.jpg
awk 'BEGIN { for (i = 1; i <= 40; i++)
    print "{\"id\":" i ",\"text_embedding\":[1,2]," \
        (i % 4 ? "\"image_embedding\":[1,0]" : "\"image_embedding\":\"v\"") "}" }' >in
vlm-sim -q in | sed 's/"code":"invalid"/"code":"gone"/' >out
vlm-sim -q in >wanted
ok 'errors are kept' vlm-sim -q --resume out in
is "$(grep -c '"gone"' out)" 10 'as they were'
ok 'errors are tried again' vlm-sim -q --resume out --retry-errors in
same out wanted 'and the file is rewritten'
head -n 25 wanted >out
ok 'again, of a file that is not complete' vlm-sim -q --resume out --retry-errors in
same out wanted 'which is completed'
head -n 25 in | vlm-sim -q --on-error=skip >out
ok 'again, of a file without them' vlm-sim -q --resume out --retry-errors in
same out wanted 'they come to their places'
is "$(ls | grep -c tmp)" 0 'no temporary file is left'

# what is dropped goes to a device, which cannot be cut
printf '{"id":%d}\n' 1 2 3 4 5 6 >in
head -n 3 in >shorter
ok 'a device takes what is dropped' vlm-filter -k 'id!=2' --dropped /dev/null --resume lasting shorter
cp lasting.vlm before
ok '... also in a run that goes on' vlm-filter -k 'id!=2' --dropped /dev/null --resume lasting in
is "$(jq -c .id lasting | tr '\n' ' ')" '1 3 4 5 6 ' '... which passes over what is done'
is "$(head -n 4 lasting.vlm | cmp - before && echo same)" same '... and keeps its notes'
finish
