#!/bin/sh
# output.t - files, full disks, flushing
. "$(dirname "$0")/tap.sh"
v='"image_embedding":[1,0],"text_embedding":[0.6,0.8]'
printf '{%s}\n' "$v" "$v" >in
vlm-sim in >wanted

status 1 'a full disk' sh -c 'vlm-sim in >/dev/full'
like "$(cat .err)" '^vlm-sim: standard output: No space left on device$' 'is named'
status 1 'a full disk, in the binary form' sh -c 'vlm-sim -b in >/dev/full'
status 1 'a full disk as --output' vlm-sim -o /dev/full in
ok '/dev/full is still a device' [ -c /dev/full ]
status 1 'a closed standard output' sh -c 'vlm-sim in >&-'
status 1 'a file that may not grow' sh -c 'ulimit -f 1; yes "$(cat in)" | head -n 1000 | vlm-sim -q -o grown'
like "$(cat .err)" 'File too large' 'is named'
status 1 'weights that may not grow' sh -c 'ulimit -f 8; vlm-convert "$1" grown' - "$top/tests/golden/clip/hf-vit"
is "$(ls -A | grep -c grown)" 0 'no temporary file is left'
status 1 'a folder that is not there' vlm-sim -o no/such/folder in

ok 'an output file' vlm-sim -o out in
same out wanted 'is what standard output would be'
is "$(ls | grep -c tmp)" 0 'no temporary file is left'
cp in both
ok 'a file that is also the input' vlm-sim -o both both
same both wanted 'is replaced at the end'
chmod 640 out
ln -s out link
ok 'through a symbolic link' vlm-sim -o link in
ok 'which stays one' [ -h link ]
is "$(stat -c %a out)" 640 'the mode is kept'
echo old >out
status 1 'a run that fails' vlm-sim --max-errors=0 -q -o out in /no/such/file
is "$(cat out)" old 'leaves the old file alone'
is "$(vlm-sim -o - in | cmp - wanted && echo same)" same '-o - is standard output'

mkfifo pipe
vlm-sim --line-buffered <pipe >slow &
exec 9>pipe
printf '{%s}\n' "$v" >&9
wait_for [ -s slow ]
is "$(cat slow)" "{$v,\"sim\":0.6}" 'a record leaves while the input stays open'
exec 9>&-
wait

ok 'progress on request' vlm-sim --progress in
like "$(cat .err)" '^vlm-sim: 2 records, [0-9.]+/s, 0 errors$' 'is one line'
ok 'none without' vlm-sim in
is "$(cat .err)" '' 'on what is no terminal'
status 1 'a file being written by another' sh -c 'exec 8>>busy; flock -n 8; vlm-sim --resume busy in'
status 1 '... is not replaced either' sh -c 'exec 8>>busy; flock -n 8; vlm-sim -o busy in'
like "$(cat .err)" 'busy: another process is writing it' '... which is said'
ok '... until it is free' vlm-sim -o busy in

# two outputs in one file: one of them would be lost
ln -s free leads
for other in "-o same" "-o ./same" "--resume $PWD/same" "--status same"; do
    # shellcheck disable=SC2086 # two words
    status 2 "--dropped same $other" vlm-filter -k 'sim>2' --dropped same $other in
done
status 2 '... through a link' vlm-filter -k 'sim>2' --dropped leads -o free in
like "$(cat .err)" "and --dropped name one file: leads" '... which is said'
status 2 '... for --uids' vlm-filter -k 'sim>2' --uids same --dropped same in
ok '... both may be /dev/null' vlm-filter -k 'sim>2' --dropped /dev/null -o /dev/null in
finish
