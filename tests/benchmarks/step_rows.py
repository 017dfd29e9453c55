"""What a step of several rows costs at the edge: how dear it is to check guesses.

A step takes rows of one conversation through the layers that an edge holds, and says which guesses
stand, as the edge's worker does. Row counts take turns, so that all meet the same neighbours; each
step begins at the same position of the same conversation, whose cache is overwritten. In a process
of its own, as `bench_decode` runs it; it prints one JSON line.

    python -m tests.benchmarks.step_rows --model DIR --threads 1
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.engine.sampling import Sampler, choose_drafted
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from tests.benchmarks.shapes import prompt_ids

ROWS = (1, 2, 5, 9)  # the certain one, and 0, 1, 4 and 8 guesses
WARM_UP = 5  # rounds that are not counted


def run(model: Path, rows: Sequence[int], options: argparse.Namespace) -> dict[str, list[float]]:
    """Milliseconds of each step, by its rows."""
    checkpoint = Checkpoint.open(model)
    layers = checkpoint.architecture.layers
    engine = open_engine(checkpoint, EngineOptions(
        "auto", "auto", 1, options.prompt + max(rows), options.threads))
    ids = prompt_ids(options.prompt + max(rows), checkpoint.architecture.vocabulary)
    first = engine.stage(LayerRange(0, options.split))
    below = first.forward([0] * len(ids), range(len(ids)), engine.embedding().rows(ids)).clone()
    rest, output = engine.stage(LayerRange(options.split, layers)), engine.output()
    rest.forward([0] * options.prompt, range(options.prompt), below[: options.prompt].clone())

    def step(count: int) -> None:
        places = range(options.prompt, options.prompt + count)
        came = rest.forward([0] * count, places, below[options.prompt :][:count].clone())
        choose_drafted(output, came, [Sampler(Sampling(), options.prompt)], [options.prompt + 1],
                       [[0] * (count - 1)])

    return timed(step, rows, options.rounds, time.perf_counter)


def timed(
    step: Callable[[int], None], rows: Sequence[int], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """The counts in turn, round by round."""
    taken: dict[str, list[float]] = {str(count): [] for count in rows}
    for number in range(WARM_UP + rounds):
        for count in rows:
            began = clock()
            step(count)
            if number >= WARM_UP:
                taken[str(count)].append((clock() - began) * 1e3)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a whole checkpoint's folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--split", type=int, default=1, help="layers that the edge has not")
    parser.add_argument("--prompt", type=int, default=64, help="tokens before the step")
    parser.add_argument("--rounds", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(json.dumps(run(options.model, ROWS, options)))


if __name__ == "__main__":
    main()
