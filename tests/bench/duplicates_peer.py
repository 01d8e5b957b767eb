#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Near duplicates beside faiss's flat index, on the same vectors, taking turns.

    duplicates_peer.py BUILD [COUNT:WIDTH:CENTRES ...]        or PEER_WORKLOADS

faiss looks for all pairs at the threshold or above among a block of vectors and all before them
(range_search of an IndexFlatIP that grows by the block), the least work that it can do for the
task; what is the first kept one is derived from the pairs, not timed, and compared with ours.
"""
import os
import subprocess
import sys
import tempfile
import time

from turns import THREADS
import numpy as np

try:
    import faiss
except ImportError:
    sys.exit(print("# no faiss here: pip install faiss-cpu"))

BLOCK, THRESHOLD = 4096, 0.95
ROUNDS = int(os.environ.get("PEER_ROUNDS", "3"))


def flat(x):
    """Seconds, seconds of processors, and the duplicates that the pairs say there are."""
    index, near = faiss.IndexFlatIP(x.shape[1]), []
    start = time.perf_counter(), time.process_time()
    for at in range(0, len(x), BLOCK):
        block = x[at:at + BLOCK]
        index.add(block)
        near.append(index.range_search(block, THRESHOLD))
    spent = time.perf_counter() - start[0], time.process_time() - start[1]
    kept, count = np.ones(len(x), bool), 0
    for block, (limits, _, found) in enumerate(near):
        for i in range(len(limits) - 1):
            row = block * BLOCK + i
            pairs = found[limits[i]:limits[i + 1]]
            kept[row] = not kept[pairs[pairs < row]].any()
    return *spent, int((~kept).sum())


def main():
    build = sys.argv[1]
    program = os.path.join(build, "tests/bench/duplicates")
    faiss.omp_set_num_threads(THREADS)
    print(f"# {THREADS} threads, load {os.getloadavg()[0]:.1f}, faiss {faiss.__version__}")
    ours = subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for workload in sys.argv[2:] or os.environ.get("PEER_WORKLOADS", "100000:512:1000").split():
        count, width, centres = workload.split(":")
        with tempfile.NamedTemporaryFile() as file:
            subprocess.run([program, count, width, centres, file.name], check=True)
            x = np.fromfile(file.name, np.float32).reshape(-1, int(width))
        mine, theirs = [], []
        for _ in range(ROUNDS):
            print(count, width, centres, THRESHOLD, file=ours.stdin, flush=True)
            mine.append([float(v) for v in ours.stdout.readline().split()])
            theirs.append(flat(x))
        m, t = sorted(mine)[ROUNDS // 2], sorted(theirs)[ROUNDS // 2]
        print(f"near duplicates {count} x {width}: vlm {m[0]:.2f} s ({m[1]:.2f} of processors), "
              f"{m[2]:.0f} duplicates | faiss flat {t[0]:.2f} s ({t[1]:.2f}), {t[2]}, "
              f"vlm {t[0] / m[0]:.2f}x ({t[1] / m[1]:.2f}x of processors)", flush=True)


main()
