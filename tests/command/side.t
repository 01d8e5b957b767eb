#!/bin/sh
# side.t - OUT.vlm: what --resume and --reuse believe of an output
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"

# a kept record whose fields are those of a dropped one, and more
printf '%s\n' '{"id":1}' '{"id":1,"x":2}' '{"id":1,"x":2,"y":3}' '{"id":1}' >in
vlm-filter --keep 'x == 2' in >wanted
for i in 1 2 3; do vlm-filter --keep 'x == 2' --resume out in; done
same out wanted 'a record that was dropped is not taken for one that was kept'
is "$(cut -f2 out.vlm | tail -n +2 | tr '\n' ' ')" 'dropped kept kept dropped ' 'what became of each record'
is "$(head -n 1 out.vlm | jq -c '[.command, .options, .model]')" '["vlm-filter",["--keep=x == 2"],null]' 'the header'
status 1 'other options are refused' vlm-filter --keep 'x > 1' --resume out in
like "$(cat .err)" 'made by other options' 'and why'
rm out.vlm
vlm-filter --keep 'x == 2' --resume out in 2>err
like "$(cat err)" 'there is no out.vlm' 'an output without it is compared, and that is said'
ok 'which makes it' test -s out.vlm

# killed in any place: cut both files anywhere
seq 200 | awk '{ print "{\"id\":" $1 ",\"s\":" $1 % 3 ",\"image_embedding\":[1," $1 "]}" }' >in
vlm-filter --keep 's > 0' --dropped wanted.dropped in >wanted
vlm-filter --keep 's > 0' --dropped whole.dropped --resume whole in
cmp -s wanted whole && cmp -s wanted.dropped whole.dropped
report $? 'one run with --resume and --dropped'
bad=
for n in 0 1 7 100 333 1000 2500 4000; do
    for m in 0 50 90 500 3000 9000; do
        head -c $n wanted >out
        head -c $m whole.vlm >out.vlm
        cp wanted.dropped dropped
        [ $((n + m)) -lt 2000 ] || head -c $((n + 100)) wanted.dropped >dropped
        [ -s out ] && [ $m -lt 90 ] && continue # nothing says what of "dropped" belongs to it
        vlm-filter -q --keep 's > 0' --dropped dropped --resume out in &&
            cmp -s out wanted && cmp -s dropped wanted.dropped && cmp -s out.vlm whole.vlm || bad="$bad $n/$m"
    done
done
is "$bad" '' 'cut anywhere, OUT, --dropped and OUT.vlm are completed'
head -c 500 wanted >out
rm out.vlm
status 1 '--dropped is not continued without OUT.vlm' vlm-filter -q --keep 's > 0' --dropped dropped --resume out in
same dropped wanted.dropped 'and is left alone'

# several records from one
seq 30 | awk '{ print "{\"id\":" $1 ",\"text\":\"w\",\"synthetics\":[\"a\",\"b\"],\"itm\":" $1 / 30 ",\"itm.synthetics\":[0.6,0.4]}" }' >texts
vlm-filter --capfilt --dropped wanted.dropped texts >wanted.pairs
for n in 10 20 30; do head -n $n texts | vlm-filter --capfilt --dropped pairs.dropped --resume pairs; done
cmp -s pairs wanted.pairs && cmp -s pairs.dropped wanted.dropped
report $? '--capfilt is resumed'

# OUT was changed
sed '3s/"s":1/"s":2/' whole >out
cp whole.vlm out.vlm
rm dropped
status 1 'an OUT that was changed is compared with the input' vlm-filter --keep 's > 0' --resume out in
like "$(cat .err)" 'does not belong to out' 'and that is said'

# two writers
mkfifo pipe
vlm-filter --resume both <pipe &
exec 9>pipe
echo '{"a":1}' >&9
wait_for [ -s both ]
status 1 'a second writer is refused' vlm-filter --resume both /dev/null
status 1 'also with --retry-errors' vlm-filter --resume both --retry-errors /dev/null
exec 9>&-
wait
is "$(cat both)" '{"a":1}' 'and the first goes on'

# a signal while the input is passed over
mkfifo wait
env --default-signal vlm-filter -q --resume both <wait &
pid=$!
exec 9>wait
sleep 0.2
kill -TERM $pid
wait $pid
is $? 143 'SIGTERM while --resume passes over its input'
exec 9>&-

# memory that is gone leaves no temporary file
if ! sanitized; then
    (
        ulimit -v 200000
        awk 'BEGIN { printf "{\"a\":\""; for (i = 0; i < 400000; i++) printf "%0500d", 0; print "\"}" }' | vlm-filter -j1 -o large
    ) >.out 2>.err
    is "$? $(ls | grep -c '^large')" '1 0' 'no memory: no temporary file is left'
fi

# errors tried again, by OUT.vlm
picture a.ppm 1
printf '%s\n' '{"id":1,"image":"a.ppm"}' '{"id":2,"image":"b.ppm"}' '{"id":3,"image":"a.ppm"}' >in
vlm-embed -q --image --resume out2 in
picture b.ppm 2
vlm-embed --image --resume out2 --retry-errors in
vlm-embed --image in >wanted
same out2 wanted '--retry-errors computes what failed'
is "$(cut -f2 out2.vlm | tail -n +2 | tr '\n' ' ')" 'kept kept kept ' 'and OUT.vlm is written anew'
head -n 1 in >less
status 1 '--retry-errors with another input is refused' vlm-embed --image --resume out2 --retry-errors less
same out2 wanted 'and OUT is left alone'

# --reuse: a folder that grows
for i in 3 4 5 6; do picture $i.ppm $i; done
list() { for i in "$@"; do echo "{\"image\":\"$i.ppm\"}"; done; }
list 3 4 5 9 >in
vlm-embed --reuse day -o day in 2>err
is "$? $(grep -c 'No such file' err)" '0 1' '--reuse of a file that is not there yet'
picture 4.ppm 44
list 6 3 4 5 9 >in
vlm-embed -q --image in >wanted
vlm-embed --reuse day -o day in 2>err
same day wanted 'the same as a run from nothing'
is "$(cat err)" '' 'an error that was there before is not reported again'
cut -f2 day.vlm | tail -n +2 | tr '\n' ' ' >kinds
is "$(cat kinds)" 'kept kept kept kept failed ' 'each record of the new input has its line'
vlm-embed -v --reuse day -o again in 2>err
same again day 'once more'
like "$(cat err)" '5 of 5 results are those of the earlier run' 'all is taken over'
touch -d '2001-01-01' 3.ppm
vlm-embed -v --reuse day -o again in 2>err
like "$(cat err)" '4 of 5 results' 'one whose picture has another time is not'
vlm-embed --reuse day --checksum -o day in 2>err
touch -d '2002-01-01' 3.ppm
vlm-embed -v --reuse day --checksum -o again in 2>err
same again day '--checksum'
like "$(cat err)" '5 of 5 results' 'looks at what pictures hold'
status 2 '--reuse of a file without OUT.vlm' vlm-embed --reuse in -o again in
vlm-embed --raw --reuse day -o again in 2>err
like "$(cat err)" 'made by other options' 'other options: all is computed, and that is said'
vlm-embed --raw -q in >wanted
same again wanted 'and right'
status 2 '--reuse and a mode that needs all of the input' vlm-sim --reuse day --query a in
finish
