"""Compiles the C kernels for this machine, once, into the user's cache folder.

`python -m edge_server.engine.kernels.build` does it ahead of time; otherwise the first `fast` stage
does. The file's name holds a hash of the sources, the compiler and the processor, so a stale or
foreign library is never loaded. It does not know what the kernels compute.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edge_server.errors import ConfigurationError

SOURCES = Path(__file__).parent
MAIN_SOURCE = SOURCES / "decoder.c"
COMPILERS = ("cc", "gcc", "clang")
# No contraction: only then is an element the same sequence of roundings in every tile and loop.
BASE_FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=off", "-fno-strict-aliasing",
              "-fvisibility=hidden", "-fPIC", "-shared", "-pthread")
# This processor, as gcc and x86 clang spell it, as arm clang does, and not at all.
TARGETS: tuple[tuple[str, ...], ...] = (("-march=native",), ("-mcpu=native",), ())
LIMIT_SECONDS = 300  # compiling takes about ten; a phone under load gets many times that


class NoKernels(ConfigurationError):
    """The kernels cannot be compiled here; `reference` runs without them."""


def build(target: Sequence[str] | None = None, folder: Path | None = None) -> Path:
    """The shared library for this machine, compiled now unless it is there already."""
    compiler = find_compiler()
    folder = folder or cache_folder()
    targets = TARGETS if target is None else (tuple(target),)
    problem = ""
    for flags in targets:
        library = folder / f"kernels-{_key(compiler, flags)}.so"
        if library.exists():
            return library
        problem = _compile(compiler, flags, library)
        if not problem:
            return library
    raise NoKernels(f"{compiler} cannot compile the fast backend: {problem}",
                    "Install a newer gcc (Debian: apt-get install gcc) or use --backend reference.")


def kernel_available() -> bool:
    """Whether the kernels are compiled, or can be."""
    try:
        build()
    except NoKernels:
        return False
    return True


def find_compiler() -> str:
    """The first C compiler on the path."""
    for name in COMPILERS:
        found = shutil.which(name)
        if found:
            return found
    raise NoKernels("The fast backend needs a C compiler, and there is none on the PATH.",
                    "Install gcc (Debian: apt-get install gcc) or use --backend reference.")


def cache_folder() -> Path:
    """Where compiled kernels are kept, by the XDG rules."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "airsplit"


def _key(compiler: str, flags: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for source in sorted(SOURCES.glob("*.[ch]")):
        digest.update(source.name.encode() + source.read_bytes())
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    digest.update(version + _processor().encode() + " ".join((*BASE_FLAGS, *flags)).encode())
    return digest.hexdigest()[:20]


def _processor() -> str:
    """What `native` depends on: the instruction sets the kernel lists."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.platform() + platform.processor()
    wanted = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


def _compile(compiler: str, flags: Sequence[str], library: Path) -> str:
    """Compile to `library`, atomically; returns what the compiler complained about, if it did."""
    try:
        library.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
            made = Path(scratch) / library.name
            command = [compiler, *BASE_FLAGS, *flags, str(MAIN_SOURCE), "-o", str(made), "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, check=False,
                                  timeout=LIMIT_SECONDS)
            if done.returncode:
                return done.stderr.strip()[-500:] or f"exit status {done.returncode}"
            made.replace(library)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ""


if __name__ == "__main__":
    print(build())
