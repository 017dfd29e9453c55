"""Reads as many bytes as one token touches, as fast as this machine can: the bound of decoding.

The memory is in huge pages and every byte is added up once, by a loop compiled on the spot, or by
torch's integer sum where there is no C compiler. It computes nothing that a model needs, so a
decoder that reads all weights for each token cannot be faster than this, unless part of the weights
stays in a cache, as with shapes of a few megabytes. On a shared machine it varies by minutes.

    python -m tests.benchmarks.stream --bytes 500000000 --threads 1
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

LOOP = """
#include <stdint.h>
uint64_t add_up(const uint64_t *words, int64_t count) {
  uint64_t sum = 0;
  #pragma omp parallel for simd schedule(static) reduction(+ : sum)
  for (int64_t i = 0; i < count; i++) sum += words[i];
  return sum;
}
"""
COMPILER_SECONDS = 60.0


def huge_pages(size: int) -> torch.Tensor:
    """`size` bytes of touched memory in huge pages, where the system gives them."""
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(area, dtype=torch.int64).fill_(1)


def compiled_loop(folder: Path) -> Callable[[torch.Tensor], int] | None:
    """`LOOP` as a function, or None where it cannot be compiled."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    (folder / "loop.c").write_text(LOOP)
    library = folder / "loop.so"
    done = subprocess.run(
        [compiler, "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC",
         str(folder / "loop.c"), "-o", str(library)],
        capture_output=True, timeout=COMPILER_SECONDS, check=False)
    if done.returncode != 0:
        return None
    add_up: Any = ctypes.CDLL(str(library)).add_up
    add_up.argtypes, add_up.restype = [ctypes.c_void_p, ctypes.c_int64], ctypes.c_uint64
    return lambda words: int(add_up(words.data_ptr(), words.numel()))


def measure(read: Callable[[torch.Tensor], int], words: torch.Tensor, repeats: int) -> list[float]:
    """Milliseconds of each reading, after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        total = read(words)
        times.append((time.perf_counter() - began) * 1e3)
        if total != words.numel():  # every word is 1: nothing was skipped
            raise SystemExit("the reading loop missed words")
    return times[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    words = huge_pages(options.bytes // 8 * 8)
    with tempfile.TemporaryDirectory(prefix="airsplit-stream-") as folder:
        loop = compiled_loop(Path(folder))
    # Not both in one process: each brings threads that spin for a while after their work.
    read = loop or (lambda words: int(words.sum()))
    print(json.dumps({"decode_ms": measure(read, words, options.repeats),
                      "how": "compiled loop" if loop else "torch"}))


if __name__ == "__main__":
    main()
