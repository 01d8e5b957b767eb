#!/bin/sh
# corpus.t - every fuzz target survives its corpus, and a second of mutations of it
. "$(dirname "$0")/../command/tap.sh"
for source in "$top"/tests/fuzz/*.c; do
    name=$(basename "$source" .c)
    case $name in fuzz | memory) continue ;; esac
    ok "$name: corpus, and a second of mutations" \
        "$build/tests/fuzz/$name" -mutate 1 20 "$top/tests/fuzz/corpus/$name"
done
finish
