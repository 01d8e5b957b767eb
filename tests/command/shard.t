#!/bin/sh
# shard.t - parts of a stream: their union is the whole, whatever the order
. "$(dirname "$0")/tap.sh"

awk 'BEGIN { for (i = 1; i <= 500; i++)
    printf "{\"id\":%d,\"image_embedding\":[%d,1],\"text_embedding\":[1,%d]}\n", i, i % 17, i % 5 }' >in
vlm-sim in | LC_ALL=C sort >wanted
for i in 1 2 3 4; do
    vlm-sim --shard=$i/4 in >part.$i
done
LC_ALL=C sort part.? >union
same union wanted 'four parts are the whole'
is "$(wc -l part.? | awk '$2 != "total" && ($1 < 90 || $1 > 160)')" '' 'of about the same size'
LC_ALL=C sort -r in | vlm-sim --shard=2/4 | LC_ALL=C sort >again
LC_ALL=C sort part.2 >two
same again two 'the order of the input does not matter'
split -l 100 in piece.
for f in piece.*; do vlm-sim --shard=2/4 "$f"; done | LC_ALL=C sort >again
same again two 'nor what stands beside a record'

for i in 5 10 15 20; do
    SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=5 SLURM_ARRAY_TASK_STEP=5 \
        vlm-sim --shard=auto in
done >union
cat part.? >parts
same union parts "Slurm's array"
status 2 'outside of an array' vlm-sim --shard=auto in
like "$(cat .err)" SLURM_ARRAY_TASK_ID 'says what is missing'
for s in 5/4 1 x/4 1/ 1/4x -1/4; do
    status 2 "--shard=$s" vlm-sim --shard=$s in
done
head -c 1500 part.1 >out
ok 'a part can be resumed' vlm-sim --shard=1/4 --resume out in
same out part.1 'and is the same'
finish
