#!/usr/bin/env python3
"""json_beside_python.py - which lines are JSON objects: vlm-filter beside Python's json

    python3 tests/fuzz/json_beside_python.py build/vlm-filter [LINES [SEED]]

The lines are of the kinds that JSON test suites hold (numbers, escapes, bytes that are no UTF-8,
structure, depth), and seeded changes of them.  Both must accept the same lines.  Known differences:
we refuse what is nested more than 512 deep; both take NaN and Infinity, which are no JSON.
"""
import json
import random
import subprocess
import sys

sys.set_int_max_str_digits(0)
sys.setrecursionlimit(100000)

VALUES = [b'0', b'-0', b'1.5', b'-1e-9', b'1E+2', b'01', b'1.', b'.5', b'+1', b'1e', b'0x1', b'-', b'1e5.5', b'--1',
          b'1_0', b'1 2', b'123456789012345678901234567890', b'1e99999', b'NaN', b'-Infinity', b'Infinity', b'nan',
          b'-NaN', b'true', b'false', b'null', b'True', b'nul', b'truee', b'""', b'"a"', b"'a'", b'"', b'"\\"', b'"\\\\"',
          b'"\\/"', b'"\\b\\f\\n\\r\\t"', b'"\\u0041"', b'"\\u00"', b'"\\u00zz"', b'"\\ud83d\\ude00"', b'"\\ud800"',
          b'"\\udc00\\ud800"', b'"\\x41"', b'"\\a"', b'"\\\xc3\xa9"', b'"\t"', b'"\x00"', b'"\x1f"', b'"\x7f"',
          b'"\xc3\xa9"', b'"\xc3"', b'"\xa9"', b'"\xc0\x80"', b'"\xe0\x80\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"',
          b'"\xf0\x9f\x98\x80"', b'"\xff"', b'"\xef\xbf\xbf"', b'"\xe2\x80\xa8"', b'[]', b'[ ]', b'[1]', b'[1,]', b'[,1]',
          b'[1 2]', b'[1', b'1]', b'[[]]', b'[1,"a",{"b":[null]}]', b'{}', b'{"a":1}', b'{"a":1,}', b'{"a"}', b'{"a":}',
          b'{a:1}', b"{'a':1}", b'{"a":1 "b":2}', b'{"a":1,"a":2}', b'{"":0}', b'{1:1}', b'{"a":1}}', b'// c', b'/* c */ 1',
          b'\xef\xbb\xbf1', b'\xc2\xa01', b'1\x0c', b'', b' ', b'[' * 300 + b']' * 300, b'[' * 600 + b']' * 600]
WHOLE = [b'{"a":%s}', b' {"a" : %s } ', b'{"a":[%s]}', b'{"b":0,"a":{"c":%s}}', b'{"a":%s,"d":"e"}', b'%s', b'\t%s\t',
         b'{"a":1}%s', b'{%s:1}', b'{"a":1,%s}']


def lines(count, seed):
    rng = random.Random(seed)
    suite = [w.replace(b'%s', v) for w in WHOLE for v in VALUES]
    yield from suite
    for _ in range(count):
        line = bytearray(rng.choice(suite))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(line) + 1)
            kind = rng.randrange(4)
            if kind == 0 and line:
                line[min(at, len(line) - 1)] = rng.randrange(256)
            elif kind == 1:
                line[at:at] = rng.choice(VALUES)[:20]
            elif kind == 2:
                del line[at:at + rng.randint(1, 4)]
            else:
                line[at:at] = rng.choice(b'{}[]",:\\ 0eE+-.utnf\x80\xc3\xed').to_bytes(1, 'big')
        yield bytes(line)


def depth(line):
    """At most, in what Python accepts: brackets outside of strings."""
    most = now = 0
    quoted = skip = False
    for c in line:
        if skip:
            skip = False
        elif quoted:
            skip = c == 0x5c
            quoted = c != 0x22
        elif c == 0x22:
            quoted = True
        else:
            now += (c in b'[{') - (c in b']}')
            most = max(most, now)
    return most


def accepts(line):
    try:
        return isinstance(json.loads(line.decode('utf-8')), dict) and depth(line) <= 512
    except (ValueError, RecursionError):
        return False


def main():
    program = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    given = [l for l in lines(count, seed) if b'\n' not in l and l.strip(b' \t\r') and b'"error"' not in l]
    out = subprocess.run([program, '-q', '--from=jsonl'], input=b'\n'.join(given) + b'\n', stdout=subprocess.PIPE,
                         check=True).stdout.split(b'\n')[:-1]
    if len(out) != len(given):
        sys.exit('%d lines in, %d out' % (len(given), len(out)))
    bad = 0
    for line, record in zip(given, out):
        ours = not record.startswith(b'{"error":{"stage":"read"')
        if ours != accepts(line):
            bad += 1
            print(('accepted by us, not by Python: %r' if ours else 'accepted by Python, not by us: %r') % line[:200])
    print('%d lines, %d accepted differently' % (len(given), bad))
    sys.exit(bad != 0)


if __name__ == '__main__':
    main()
