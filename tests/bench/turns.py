# SPDX-License-Identifier: MIT
"""A bench of ours and its peer, taking turns, so that both meet the same noise."""
import statistics
import subprocess


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
