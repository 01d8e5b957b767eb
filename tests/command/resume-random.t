#!/bin/sh
# resume-random.t - random records and options, ended at random places: the bytes of one run
#
#     TRIALS=1000 SEED=7 sh tests/command/resume-random.t
. "$(dirname "$0")/tap.sh"
RANDOM=${SEED:-5}
trials=${TRIALS:-40}

# below N: a random number in $r
below() { r=$((RANDOM % $1)); }

# records N SEED: some lack a vector, are no numbers, are no JSON at all, or come a second time
records() {
    awk -v n="$1" -v seed="$2" 'BEGIN {
        srand(seed)
        for (i = 1; i <= n; i++) {
            k = int(rand() * 12)
            line = sprintf("{\"id\":%d,\"w\":%.2f,\"image_embedding\":[%d,%d],\"text_embedding\":[%d,1]}",
                i, rand(), rand() * 4, rand() * 4, rand() * 4)
            if (k == 0) line = "{\"id\":" i ",\"w\":0.9}"
            if (k == 1) line = "{\"id\":" i ",\"image_embedding\":\"none\",\"text_embedding\":[1,2]}"
            if (k == 2) line = "{\"id\":" i ",\"w\":"
            if (k == 3 && before != "") line = before
            if (k == 4) line = "{\"id\":\"\\u00e9\",\"w\":1e0,\"text\":\"\303\251\"}"
            print line
            before = line
        }
    }'
}

# choose: a command line in $line, with or without --dropped
choose() {
    dropped=
    below 5
    case $r in
    0) line='vlm-sim' ;;
    1) line='vlm-sim --on-error=skip' ;;
    2) line='vlm-filter -k w>0.5' ;;
    3) line='vlm-filter -k !has(image_embedding)||w<0.3 --on-error=skip' ;;
    4) line='vlm-filter -k id>3' ;;
    esac
    below 2
    [ $r = 0 ] && line="$line -b"
    below 3
    case $line in vlm-filter*) [ $r = 0 ] || dropped=yes ;; esac
    below 3
    line="$line -q -j$((r + 1))"
}

# run NAME [OPTION...]: the line, going on with NAME
run() {
    name=$1
    shift
    $line ${dropped:+--dropped "$name.dropped"} --resume "$name" "$@" 2>.err
}

# begin NAME: the same on standard input, killed after some hundredths of a second
begin() {
    echo 'echo $$ >pid; exec "$@" 2>.err' >begin.sh
    sh begin.sh $line ${dropped:+--dropped "$1.dropped"} --resume "$1" <&0 &
    sleep "0.0$r"
    kill -9 "$(cat pid)" && killed=$((killed + 1))
    wait
} 2>/dev/null

bad=
killed=0
ends=0
n=0
while [ $n -lt "$trials" ]; do
    n=$((n + 1))
    rm -f whole whole.* out out.* in
    [ -p slow ] || mkfifo slow
    below 60
    many=$((r + 2))
    records $many $n$RANDOM >in
    choose
    run whole in
    below 4
    rounds=$r
    told=
    while [ $rounds -gt 0 ]; do
        rounds=$((rounds - 1))
        ends=$((ends + 1))
        below 4
        case $r in
        0) # the input had less when it began
            below $many
            head -n $((r + 1)) in | run out ; told="$told begun:$r" ;;
        1) # it gave up at an error
            below 3
            run out --max-errors $((r + 1)) in; told="$told errors:$r" ;;
        2) # killed
            below 20
            awk '{ print; fflush() } NR % 9 == 0 { system("sleep 0.002") }' in >slow 2>/dev/null &
            begin out <slow
            told="$told killed:$r" ;;
        3) # the end of what was written is lost
            [ -s out ] || continue
            size=$(wc -c <out)
            below "$size"
            head -c "$r" out >cut && cat cut >out; told="$told cut:$r" ;;
        esac
    done
    below 2
    again=
    [ $r = 0 ] && again=--retry-errors
    run out $again in
    cmp -s out whole && { [ -z "$dropped" ] || cmp -s out.dropped whole.dropped; } && continue
    bad="$bad $n"
    echo "# trial $n: $line${dropped:+ --dropped} $again, $many records,$told"
    sed 's/^/# /' .err | head -n 3
done
is "$bad" '' "$trials trials, ended early $ends times, $killed of them killed: the same bytes"
finish
