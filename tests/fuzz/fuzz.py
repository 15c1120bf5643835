#!/usr/bin/env python3
"""Fuzzes every format for some seconds; fails with the inputs that were found.

/usr/bin/python3 tests/fuzz/fuzz.py build/fuzz/tests/fuzz_inputs --seconds 20 [--formats cfg,jpeg]

The corpus grows in build/fuzz/corpus, findings are build/fuzz/findings/FORMAT-KIND-HASH.
"""

import argparse
import os
import re
import subprocess
import sys

from make_corpus import corpus, main as make_corpus

# Wall-clock seconds for an input, with sanitizers on a busy machine; the replay allows one second of the processor.
INPUT_SECONDS, INPUT_BYTES = 20, 8192


def fuzz(program, folder, name, seconds):
    """Inputs tried in that time, and whether none was found."""
    kept = os.path.join(folder, "corpus", name)
    found = os.path.join(folder, "findings", name + "-")
    os.makedirs(os.path.dirname(found), exist_ok=True)
    suppressions = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lsan.supp")
    done = subprocess.run(
        [program, kept, f"-artifact_prefix={found}", f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS}",
         f"-max_len={INPUT_BYTES}", "-rss_limit_mb=4096", "-close_fd_mask=2", "-print_final_stats=1", "-verbosity=1"],
        env={**os.environ, "FUZZ_FORMAT": name, "OMP_NUM_THREADS": "1",
             "LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0"},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    count = re.search(r"stat::number_of_executed_units: *(\d+)", done.stderr)
    if done.returncode:
        sys.stderr.write(done.stderr[-6000:])
    return int(count[1]) if count else 0, done.returncode == 0


def main():
    formats = sorted(corpus())
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("program")
    parser.add_argument("--seconds", type=int, default=20, help="for each format")
    parser.add_argument("--formats", default=",".join(formats))
    options = parser.parse_args()
    folder = os.path.dirname(os.path.dirname(os.path.abspath(options.program)))
    make_corpus(os.path.join(folder, "corpus"))
    failed, total = [], 0
    for name in options.formats.split(","):
        count, right = fuzz(options.program, folder, name, options.seconds)
        total += count
        print(f"{name:8} {count:12,} inputs{'' if right else '  FAILED'}", flush=True)
        failed += [] if right else [name]
    print(f"{'all':8} {total:12,} inputs")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
