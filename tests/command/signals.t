#!/bin/sh
# signals.t - what is computed is written in whole records; the status names the signal
. "$(dirname "$0")/tap.sh"
v='"image_embedding":[1,0],"text_embedding":[0.6,0.8]'

# start OUT OPTION...: a filter that waits for input on descriptor 9
start() {
    out=$1
    shift
    rm -f pipe
    mkfifo pipe
    # a job in the background ignores SIGINT; env puts that right
    env --default-signal vlm-sim "$@" <pipe >"$out" 2>err &
    pid=$!
    exec 9>pipe
}
# has FILE LINES: it has that many
has() { [ "$(wc -l <"$1" 2>/dev/null || echo 0)" -ge "$2" ]; }
# begun: the temporary file has a name, or is a file without one that is open
begun() { ls file.*.tmp || ls -l /proc/$pid/fd | grep -q deleted; } >/dev/null 2>&1

for signal in INT TERM HUP; do
    start out
    printf '{"id":1,%s}\n{"id":2,%s}\n{"id":3' "$v" "$v" >&9
    ok "records leave at once ($signal)" wait_for has out 2
    kill -$signal $pid
    wait $pid
    got=$?
    exec 9>&-
    case $signal in INT) number=2 ;; TERM) number=15 ;; *) number=1 ;; esac
    is "$got" $((128 + number)) "SIG$signal: status 128+n"
    is "$(cat out)" "{\"id\":1,$v,\"sim\":0.6}
{\"id\":2,$v,\"sim\":0.6}" "SIG$signal: whole records"
done

start /dev/null -o file
printf '{"id":1,%s}\n' "$v" >&9
wait_for begun
sleep 0.1
kill -TERM $pid
wait $pid
exec 9>&-
is "$(ls | grep -c '^file')" 0 'SIGTERM: the temporary file is removed'

start out --resume kept
printf '{"id":1,%s}\n' "$v" >&9
ok 'a record is kept' wait_for has kept 1
kill -TERM $pid
wait $pid
exec 9>&-
is "$(cat kept)" "{\"id\":1,$v,\"sim\":0.6}" 'SIGTERM: what is there stays for --resume'

# a model that is cut off while a run reads it: no death by SIGBUS, no record without its vector
cp -R "$top/lib/share/default" cut
chmod u+w cut/*
rm -f pipe
mkfifo pipe
ASAN_OPTIONS=$ASAN_OPTIONS:handle_sigbus=0 vlm-embed --text -m cut <pipe >out 2>err &
pid=$!
exec 9>pipe
echo '{"text":"a red cup"}' >&9
ok 'a record leaves before the model is cut off' wait_for has out 1
truncate -s 100000 cut/model.safetensors
echo '{"text":"two green apples"}' >&9
exec 9>&-
wait $pid
is "$?" 1 'a model that is cut off: the status of failed input'
is "$(cat err)" 'vlm-embed: cut/model.safetensors: the file was cut off while it was in use' 'and a sentence'
is "$(wc -l <out)" 1 'and no record that was not embedded'

# SIGPIPE: quiet, whatever the parent does with it
yes "{$v}" 2>/dev/null | { vlm-sim 2>err; echo $? >rc; } | head -n 1 >first
is "$(cat err)" '' 'a reader that leaves early: no message'
is "$(cat rc)" 141 'and death by SIGPIPE'
is "$(cat first)" "{$v,\"sim\":0.6}" 'after what it wanted'
yes "{$v}" 2>/dev/null | { env --ignore-signal=PIPE vlm-sim 2>err; echo $? >rc; } | head -n 1 >first
is "$(cat rc)" 141 'also if the parent ignores SIGPIPE'
finish
