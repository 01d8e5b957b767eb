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
status 2 'outside of a scheduler' vlm-sim --shard=auto in
like "$(cat .err)" SLURM_ARRAY_TASK_ID 'says what is missing'

# tasks NAME SHARD VARIABLES...: what the four tasks make, one behind the other; in the variables I is
# the task's number
tasks() {
    name=$1 shard=$2 from=$3
    shift 3
    for i in 0 1 2 3; do
        env $(echo "$@" | sed "s/=I/=$((i * ${step:-1} + from))/") vlm-sim --shard="$shard" in
    done >union
    same union parts "$name"
}
tasks 'AWS Batch' auto 0 AWS_BATCH_JOB_ARRAY_INDEX=I AWS_BATCH_JOB_ARRAY_SIZE=4
step=2 tasks 'SGE, every second number' auto 3 SGE_TASK_ID=I SGE_TASK_FIRST=3 SGE_TASK_LAST=10 SGE_TASK_STEPSIZE=2
tasks 'LSF' auto 1 LSB_JOBINDEX=I LSB_JOBINDEX_END=4 LSB_JOBINDEX_STEP=1
tasks 'PBS, which says no count' auto/4 1 PBS_ARRAY_INDEX=I
tasks 'Torque' auto/4 1 PBS_ARRAYID=I
tasks 'Kubernetes' auto/4 0 JOB_COMPLETION_INDEX=I
tasks 'Open MPI' auto 0 OMPI_COMM_WORLD_RANK=I OMPI_COMM_WORLD_SIZE=4
tasks 'MPICH' auto 0 PMI_RANK=I PMI_SIZE=4
tasks 'srun' auto 0 SLURM_PROCID=I SLURM_STEP_NUM_TASKS=4 SLURM_NTASKS=9
tasks 'a count that agrees' auto/4 0 AWS_BATCH_JOB_ARRAY_INDEX=I AWS_BATCH_JOB_ARRAY_SIZE=4
for i in 0 1; do
    for k in 0 1; do
        SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_COUNT=2 SLURM_PROCID=$k SLURM_STEP_NUM_TASKS=2 vlm-sim --shard=auto in
    done
done >union
same union parts 'srun inside of an array'
export SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=1
is "$(SLURM_ARRAY_TASK_ID=2 SLURM_PROCID=0 SLURM_NTASKS=4 vlm-sim --shard=auto in | cmp - part.2 && echo same)" same \
    'tasks that a batch script was given and did not start do not count'
unset SLURM_ARRAY_TASK_COUNT SLURM_ARRAY_TASK_MIN
status 2 'Kubernetes says no count' env JOB_COMPLETION_INDEX=1 vlm-sim --shard=auto in
like "$(cat .err)" 'JOB_COMPLETION_INDEX .*auto/N' '... what helps'
status 2 'a count that is another' env AWS_BATCH_JOB_ARRAY_INDEX=1 AWS_BATCH_JOB_ARRAY_SIZE=4 vlm-sim --shard=auto/5 in
status 2 'an index past the count' env JOB_COMPLETION_INDEX=4 vlm-sim --shard=auto/4 in
status 2 'an index before the first' env PBS_ARRAY_INDEX=0 vlm-sim --shard=auto/4 in
status 2 'SGE, but no array' env SGE_TASK_ID=undefined vlm-sim --shard=auto in
status 2 'no number' env JOB_COMPLETION_INDEX=x vlm-sim --shard=auto/4 in
status 2 '--shard=auto/0' vlm-sim --shard=auto/0 in
for s in 5/4 1 x/4 1/ 1/4x -1/4; do
    status 2 "--shard=$s" vlm-sim --shard=$s in
done
head -c 1500 part.1 >out
ok 'a part can be resumed' vlm-sim --shard=1/4 --resume out in
same out part.1 'and is the same'
finish
