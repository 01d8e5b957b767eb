#!/bin/sh
# status.t - how a run goes, for monitors: SIGUSR1, --status, --log=json
. "$(dirname "$0")/tap.sh"
v='"image_embedding":[1,0],"text_embedding":[0.6,0.8]'
good="{\"id\":1,$v}"
value() { # METRIC FILE: its value, labels beside the command as they stand
    awk -v m="$1" '$1 == m { print $2 }' "$2"
}

mkfifo pipe
vlm-sim --status run.prom <pipe >out 2>err &
pid=$!
exec 9>pipe
printf '%s\n%s\nno record\n' "$good" "$good" >&9
has_lines() { [ "$(wc -l <out)" -ge 3 ]; }
wait_for has_lines
kill -USR1 $pid
says_records() { grep -Eq '^vlm-sim: 3 records, [0-9.]+/s, 1 errors$' err; }
wait_for says_records
report $? 'SIGUSR1 prints the line of progress'
kill -USR1 $pid
says_twice() { [ "$(grep -c '3 records' err)" = 2 ]; }
wait_for says_twice # before the record that would make it say 4
printf '%s\n' "$good" >&9
exec 9>&-
wait $pid
is "$? $(wc -l <out)" '0 4' 'and the run goes on'
is "$(grep -c '3 records' err)" 2 'each time'
is "$(value 'vlm_records_total{command="vlm-sim"}' run.prom)" 4 '--status: records'
is "$(value 'vlm_failed_records_total{command="vlm-sim"}' run.prom)" 1 '... those that failed'
is "$(value 'vlm_errors_total{command="vlm-sim",code="invalid_json"}' run.prom)" 1 '... by code'
is "$(value 'vlm_running{command="vlm-sim"}' run.prom) $(value 'vlm_exit_status{command="vlm-sim"}' run.prom)" '0 0' '... that it has ended'
is "$(sed -n 's/^vlm_stage_seconds_total.*stage="\([a-z]*\)".*/\1/p' run.prom | tr '\n' ' ')" 'read prepare compute write ' '... every stage'
is "$(tail -n 1 run.prom)" '# EOF' '... and its end'
# each sample belongs to the family above it, a counter's ends in _total; and no type that the older
# text format lacks
is "$(awk '/^# TYPE / { family = $3; type = $4; if (seen[family]++) print "twice: " family; next }
    /^# (HELP|EOF)/ { next }
    { name = $1; sub(/\{.*/, "", name); want = family (type == "counter" ? "_total" : "")
      if (type !~ /^(counter|gauge)$/ || name != want || NF != 2 || $2 !~ /^[0-9.e+-]+$/ || $1 !~ /^[a-z_]+\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\}$/) print }' run.prom)" '' \
    '... well formed'

vlm-sim --status run.prom <pipe >out 2>err &
pid=$!
exec 9>pipe
printf '%s\n' "$good" >&9
is_running() { [ "$(value 'vlm_running{command="vlm-sim"}' run.prom)" = 1 ]; }
wait_for is_running
report $? 'a run that goes on says so from the start'
kill -TERM $pid
wait $pid
exec 9>&-
is "$(value 'vlm_exit_status{command="vlm-sim"}' run.prom)" 143 'a run that a signal ended says so'
vlm-sim -m nowhere --status run.prom </dev/null 2>err
is "$(value 'vlm_exit_status{command="vlm-sim"}' run.prom)" 3 'a model that cannot be used'
status 1 'a folder that is not there' vlm-sim --status no/run.prom /dev/null
is "$(ls | grep -c '^run')" 1 'nothing is left beside the file'
: >in
printf '%s\n' "{\"id\":1,$v}" '{"id":2}' >in
vlm-sim --resume o --status run.prom in 2>/dev/null
vlm-sim --resume o --retry-errors --status run.prom in 2>/dev/null
is "$(value 'vlm_records_total{command="vlm-sim"}' run.prom)" 2 'records of an earlier run count'

# SIGUSR1 in the commands that write no stream of records
golden=$top/tests/golden
. "$top/tests/command/pictures.sh"
# signalled COMMAND...: sends SIGUSR1 to it, which reads the pipe, until a line matches $line; then
# the pipe gets $input.  Status, lines on stderr that match
signalled() {
    : >err
    "$@" <pipe >out 2>err &
    pid=$!
    exec 9>pipe
    awaits() { # it has blocked SIGUSR1, for a thread that takes it
        [ $((0x0$(sed -n 's/^SigBlk:[[:space:]]*//p' /proc/$pid/status) & 0x200)) -ne 0 ]
    }
    wait_for awaits
    asked() {
        kill -USR1 $pid 2>/dev/null
        sleep 0.05
        grep -Eq "$line" err
    }
    wait_for asked
    printf '%s\n' "$input" >&9
    exec 9>&-
    wait $pid
    echo "$? $(grep -Ec "$line" err | sed 's/^[1-9].*/said/')"
}
picture p.ppm 1
input='{"image":"p.ppm","text":"two cats","prob":0.3,"truth":1}'
line='^vlm-eval: 0 records, 0.0/s, 0 errors$'
is "$(signalled vlm-eval --task itm --field prob --truth truth)" '0 said' 'SIGUSR1: vlm-eval'
is "$(jq .records out)" 1 '... goes on'
line='^vlm-page: 0 records, 0.0/s, 0 errors$'
is "$(signalled vlm-page -o page.html)" '0 said' '... vlm-page'
line="^vlm-convert: reading records for $golden/clip/hf-vit, [0-9]+ s$"
is "$(signalled vlm-convert --dtype int8 --calibrate pipe "$golden/clip/hf-vit" made)" '0 said' '... vlm-convert'
ok '... goes on' vlm-embed --text -m made /dev/null
line='^vlm-train: no step yet$'
is "$(signalled vlm-train --init "$golden/clip/hf-vit" --objective itc --batch 1 --steps 2 -o learnt)" '0 said' '... vlm-train, before the first step'
ok '... goes on' vlm-embed --text -m learnt /dev/null
for i in 1 2 3 4; do echo "$input"; done >pairs
vlm-train --init "$golden/clip/hf-vit" --objective itc --batch 2 --epochs 100000 -o long --log-every 1 pairs >out 2>err &
pid=$!
has_steps() { [ "$(wc -l <out)" -ge 3 ]; }
wait_for has_steps
kill -USR1 $pid
says_step() { grep -Eq '^step [0-9]+ of 200000, epoch [0-9.]+, loss -?[0-9.]+, [0-9.]+ pairs/s, [0-9]+:[0-9]+ left$' err; }
wait_for says_step
report $? '... and after some'
kill -TERM $pid
wait $pid
is "$?" 143 '... which goes on until another signal'

# messages as JSON
printf '%s\n' "$good" 'no record "x"' '{"id":3}' | vlm-sim --log=json --progress >/dev/null 2>err
is "$(jq -c '[.level,.program,.code,.source,.record]' err | head -n 2)" '["error","vlm-sim","invalid_json","stdin",2]
["error","vlm-sim","nothing_to_compare","stdin",3]' '--log=json: what failed, and where'
is "$(jq -r .time err | grep -Evc '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z$')" 0 '... when'
is "$(jq -c 'select(.level == "info") | [.records, .errors, (.per_second | type)]' err)" '[3,2,"number"]' '... progress in numbers'
is "$(tail -n 1 err | jq -c '[.level,.message]')" '["warning","2 of 3 records failed"]' '... and the last line'
vlm-sim --log=json -m nowhere </dev/null 2>err
is "$(jq -r .level err)" error 'why a run ends is an error'
vlm-sim --log=json --beam 2>err
status 2 'text for people does not go with it' vlm-filter --log=json --histogram in
is "$(jq -r .level .err)" warning '... and that is said in JSON too'
finish
