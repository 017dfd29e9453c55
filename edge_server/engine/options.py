"""Command-line options of the engine, the same for every program that runs layers."""

from __future__ import annotations

import argparse

BACKENDS = ("auto", "fast", "reference")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add backend, precision, threads and context to `parser`."""
    group = parser.add_argument_group("engine")
    group.add_argument("--backend", choices=BACKENDS, default="auto",
                       help="fast: compiled kernel; reference: transformers (default: fast where "
                            "a C compiler is installed)")
    group.add_argument("--dtype", choices=PRECISIONS, default="auto",
                       help="precision of weights; int8 exchanges bf16 rows (default: as stored)")
    group.add_argument("--threads", type=positive, default=0, metavar="N",
                       help="processor threads (default: all)")
    group.add_argument("--context", type=positive, default=2048, metavar="TOKENS",
                       help="tokens a conversation may hold (default: %(default)s)")


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value
