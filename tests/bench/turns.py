# SPDX-License-Identifier: MIT
"""A bench of ours and its peer, taking turns, so that both meet the same noise.

To be imported before torch, which reads how many threads there are.  With one thread processor time
counts, as in our benches, so that other processes do less harm.
"""
import os
import statistics
import subprocess
import time

THREADS = int(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0))))
os.environ["OMP_NUM_THREADS"] = str(THREADS)
clock = time.process_time if THREADS == 1 else time.perf_counter


def in_turns(command, names, step, rounds):
    """For each name (name, seconds of ours, seconds of step(name)), medians; one turn before is not
    counted.  `command` reads a name a line and answers with its seconds."""
    ours = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(name):
        print(name, file=ours.stdin, flush=True)
        return float(ours.stdout.readline())
    for name in names:
        ask(name), step(name)
        times = [(ask(name), step(name)) for _ in range(rounds)]
        yield (name, *(statistics.median(t) for t in zip(*times)))
    ours.stdin.close()
    ours.wait()
