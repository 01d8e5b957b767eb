#!/bin/sh
# invariance.t - threads and batches change neither the order nor one byte
. "$(dirname "$0")/tap.sh"

awk 'BEGIN { srand(1); for (i = 1; i <= 400; i++) {
    printf "{\"id\":%d,\"image_embedding\":[%f", i, rand() - 0.5
    for (k = 1; k < 24; k++) printf ",%f", rand() - 0.5
    printf "],\"text_embedding\":[%f", rand() - 0.5
    for (k = 1; k < (i % 9 ? 24 : 23); k++) printf ",%f", rand() - 0.5
    print "]}"
} }' >in
for mode in '' --near-duplicates=0.3 '--near-duplicates=0.3 --by=text' --binary; do
    vlm-sim -q $mode in >wanted
    for threads in 1 2 3; do
        for batch in 1 7 32; do
            vlm-sim -q $mode --threads=$threads --batch=$batch in >out
            same out wanted "vlm-sim $mode --threads=$threads --batch=$batch"
        done
    done
    is "$(vlm-sim -q $mode <in | cmp - wanted && echo same)" same "vlm-sim $mode: standard input"
done
finish
