"""Peak resident memory of the phone's side: layers [0, 1) of a Gemma-2B-shaped checkpoint.

A fresh process opens the checkpoint, takes its layers, looks rows up in the embedding and runs a
prompt and some steps; the kernel's high-water mark (VmHWM) is compared with that of a process that
only imports the same modules. The difference may be the bytes of its own tensors plus 15 %. The
embedding is not among them: it is looked up in the file. Everything else counts: KV cache,
scratch memory, touched pages of the file. A phone's operating system may count differently.

    python -m tests.benchmarks.bench_memory --quick
    python -m tests.benchmarks.bench_memory --check --cache ~/.cache/airsplit-bench
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import report, shapes

ALLOWED = 1.15  # of the side's own tensors
MARGIN = 1.3  # memory that must be free per byte of checkpoint to load all of it
COLUMNS = ["", "peak MiB", "over imports MiB", "own tensors MiB", "ratio"]
MIB = 2**20
PHONE_MODULES = ("edge_server.engine.embedding", "edge_server.engine.fast", "ue_app.client",
                 "ue_app.generate")
PROMPT, STEPS = 64, 16  # tokens
ELEMENT_BYTES = {"fp32": 4, "bf16": 2, "int8": 1}


def main() -> None:
    options = arguments()
    if options.worker:
        print(json.dumps(work(options)))
        return
    with shapes.checkpoint(options.shape, options.cache) as folder:
        rows = measure(folder, options)
    cells = [[row["what"], *(mebibytes(row[key]) for key in ("peak", "over", "own")), row["ratio"]]
             for row in rows]
    report.print_table(f"{options.shape}: resident memory, layers [0, {options.layers}) on the "
                       f"phone, {options.rounds} round(s)", COLUMNS, cells)
    for row in rows:
        if row["reason"]:
            print(f"  {row['what']}: not measured: {row['reason']}")
    phone = next(row for row in rows if row["what"].startswith("phone: fast"))
    met = phone["ratio"] <= ALLOWED if phone["ratio"] is not None else None
    print(f"  at most {ALLOWED} x own tensors: "
          f"{'not measured' if met is None else 'met' if met else 'MISSED'}")
    report.finish("memory", vars(options), {"rows": rows, "allowed": ALLOWED, "met": met})
    if options.check and not met:
        sys.exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without the whole model's process")
    parser.add_argument("--check", action="store_true", help="exit 1 where the limit is missed")
    parser.add_argument("--shape", choices=sorted(shapes.SHAPES), default="gemma-2b")
    parser.add_argument("--layers", type=int, default=1, help="layers on the phone")
    parser.add_argument("--precision", default="bf16", help="fp32, bf16 or int8")
    parser.add_argument("--capacity", type=int, default=2048, help="tokens the KV cache holds")
    parser.add_argument("--rounds", type=int, help="default 3, or 1 with --quick")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder that keeps checkpoints between runs")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a process may take")
    parser.add_argument("--worker", choices=sorted(WORKERS), help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    report.add_quiet_options(parser)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def measure(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every process's figures, medians over rounds, with the differences that matter."""
    names = {"phone: imports only": "imports", f"phone: fast {options.precision}": "phone"}
    if not options.quick:
        names |= {"transformers: imports only": "transformers-imports",
                  "transformers: whole, from_pretrained": "transformers"}
    measured = report.round_robin(
        {name: functools.partial(run, worker, folder, options)
         for name, worker in names.items()}, options)
    rows: list[dict[str, Any]] = []
    base: float | None = None
    for name, one in measured.items():
        peak = one.middle("peak")
        imports = name.endswith("imports only")
        base = peak if imports else base
        over = None if imports or peak is None or base is None else peak - base
        own = one.middle("own_tensors")
        rows.append({"what": name, "peak": peak, "over": over, "own": own,
                     "ratio": report.ratio(over, own), "reason": one.reason,
                     "rounds": one.rounds})
    return rows


def run(worker: str, folder: Path, options: argparse.Namespace) -> report.Figures:
    needed = sum(file.stat().st_size for file in folder.glob("*.safetensors")) * MARGIN
    if worker == "transformers" and available_memory() < needed:
        raise report.WorkerFailed(f"{needed / 2**30:.1f} GiB of memory are not free")
    return report.run_worker(
        report.python("tests.benchmarks.bench_memory", "--worker", worker, "--model", folder,
                      "--layers", options.layers, "--precision", options.precision,
                      "--capacity", options.capacity, "--threads", options.threads),
        options.threads, options.timeout)


def available_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])


def work(options: argparse.Namespace) -> dict[str, Any]:
    """In the fresh process: do it, then read the high-water mark."""
    own = WORKERS[options.worker](options)
    status = Path("/proc/self/status").read_text().splitlines()
    peak = 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])
    return {"peak": peak, "own_tensors": own, "pid": os.getpid()}


def import_phone(options: argparse.Namespace) -> int | None:
    """What the phone's side imports, and one matrix product so that torch's own threads exist."""
    import torch

    for name in PHONE_MODULES:
        importlib.import_module(name)
    torch.set_num_threads(options.threads)
    torch.nn.functional.linear(torch.ones(4, 64), torch.ones(64, 64))
    return None


def run_phone(options: argparse.Namespace) -> int:
    """The phone's head: the model's identity, layers [0, layers), a prompt and some steps."""
    import_phone(options)

    from edge_server.engine.architecture import layer_tensors
    from edge_server.engine.checkpoint import Checkpoint
    from edge_server.engine.identity import identity_of
    from edge_server.engine.load import EngineOptions, open_engine
    from ue_app.head import Head, place

    checkpoint = Checkpoint.open(options.model)
    architecture = checkpoint.architecture
    engine = open_engine(checkpoint, EngineOptions("fast", options.precision, 1, options.capacity,
                                                   options.threads))
    head = Head(engine, place(options.layers, architecture.layers, None))
    identity_of(checkpoint)
    ids = shapes.prompt_ids(PROMPT + STEPS, architecture.vocabulary)
    head.rows(ids[:PROMPT], 0)
    for position in range(PROMPT, len(ids)):
        head.rows(ids[position:position + 1], position)
    per_layer = sum(math.prod(extents) for extents in layer_tensors(architecture).values())
    layers: int = options.layers
    return ELEMENT_BYTES[options.precision] * per_layer * layers


def import_transformers(options: argparse.Namespace) -> int | None:
    import torch
    from transformers import AutoModelForCausalLM  # noqa: F401

    torch.set_num_threads(options.threads)
    return None


def run_transformers(options: argparse.Namespace) -> int:
    """The whole model, as the library loads it, and one token."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(options.threads)
    model: Any = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.bfloat16)
    ids = torch.tensor([shapes.prompt_ids(PROMPT, model.config.vocab_size)])
    model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=2, do_sample=False,
                   eos_token_id=None)
    return sum(int(parameter.nbytes) for parameter in model.parameters())


def mebibytes(value: float | None) -> float | None:
    return None if value is None else value / MIB


WORKERS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "imports": import_phone, "phone": run_phone,
    "transformers-imports": import_transformers, "transformers": run_transformers,
}


if __name__ == "__main__":
    main()
