#!/bin/sh
# option.t - one table: help, version, the list for completions, and mistakes
. "$(dirname "$0")/tap.sh"

commands=
for path in "$build"/vlm-*; do
    [ -x "$path" ] && [ -f "$path" ] && commands="$commands ${path##*/}"
done

for c in $commands; do
    status 0 "$c --help" "$c" --help
    is "$(cat .err)" '' "$c --help says nothing on stderr"
    like "$(cat .out)" "^usage: $c " "$c --help begins with the usage"
    is "$(awk 'length > 100' .out)" '' "$c --help is not wider than 100 columns"
    status 0 "$c --version" "$c" --version
    is "$(cat .out)" "$c (vlm) ${VERSION:-0.1.0}" "$c --version"
    status 0 "$c --list-options" "$c" --list-options
    is "$(awk -F '\t' 'NF != 6 || $1 !~ /^--[a-z0-9-]+$/ || $2 !~ /^(-[a-zA-Z0-9])?$/ ||
        $4 !~ /^(flag|value|file|folder|model|choice)$/ || $6 == ""' .out)" '' \
        "$c --list-options has six fields a line"
    is "$(cut -f1 .out | sort | uniq -d)" '' "$c has no option twice"
    is "$(cut -f2 .out | grep . | sort | uniq -d)" '' "$c has no letter twice"
    status 2 "$c refuses an option it does not know" "$c" --no-such-option
    is "$(wc -l <.err | tr -d ' ')" 2 "$c: a reason and a usage line"
    like "$(tail -n 1 .err)" "^usage: $c " "$c: the usage line"
    is "$(cat .out)" '' "$c: nothing on stdout"
    status 1 "$c --help notices a full disk" sh -c "$c --help >/dev/full"
done

status 2 'a number that is none' vlm-sim --batch=many
like "$(cat .err)" 'batch=many: not a whole number' 'the reason'
status 2 'a number out of bounds' vlm-sim --batch 0
like "$(cat .err)" 'between 1 and' 'the bounds'
status 2 'a choice that is none' vlm-sim --on-error=ignore
like "$(cat .err)" 'one of record, skip, fail' 'the choices'
status 2 'a missing value' vlm-sim --batch
status 2 'a shard that is none' vlm-sim --shard=0/4
like "$(cat .err)" 'counted from 1' 'shards are counted from 1'
status 2 'a share of errors that is none' vlm-sim --max-errors=5x
status 2 'options that exclude each other' vlm-sim --query=a --near-duplicates=1
status 2 '--resume and --output' vlm-sim --resume=a --output=b
status 2 'a mistake comes before the model' vlm-sim -m no-such-model --batch=0
status 0 'a short form of a long option' vlm-sim --thr=1 /dev/null
status 0 'two ways to give a value' vlm-sim --threads 1 --threads=1 -j1 -j 1 /dev/null
status 0 'options behind operands' vlm-sim /dev/null --threads=1
status 3 'a model that is not there' vlm-sim -m no-such-model /dev/null
like "$(cat .err)" 'no-such-model' 'its name'
finish
