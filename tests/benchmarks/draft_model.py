"""Writes a small draft model to measure with, where nobody trained one: the exit head as a model.

The bundled model's embedding, its first layers, the exit head's layers and norm are a small Gemma 3
with the same tokenizer. As a checkpoint of its own it is what `--speculate model --draft-model DIR`
takes. Its guesses are the exit head's, so it shows what a draft model costs, not how good one is
that was trained for it.

    python -m tests.benchmarks.draft_model --out DIR
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from safetensors.torch import save_file

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.exit_note import exit_of
from edge_server.engine.tensors import STORED_TYPES, read_tensor
from testbed.cli import BUNDLED_MODEL
from ue_app.drafts.exit import open_exit

COMPANIONS = ("tokenizer.json", "tokenizer_config.json", "generation_config.json",
              "chat_template.jinja")


def write(out: Path, model: Path = BUNDLED_MODEL) -> None:
    """The checkpoint, into a new folder."""
    head = exit_of(model)
    if head is None:
        raise ValueError(f"{model} has no exit head")
    small = open_exit(head, Checkpoint.open(model))
    tensors = {f"model.{name}": read_tensor(small, name, STORED_TYPES[small.entry(name).dtype])
               for name in small.expected}
    out.mkdir(parents=True)
    save_file(tensors, out / "model.safetensors", {"format": "pt"})
    (out / "config.json").write_text(json.dumps(dict(small.config), indent=1) + "\n")
    for name in COMPANIONS:
        if (model / name).is_file():
            shutil.copyfile(model / name, out / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"--out {options.out} is there already; name a new folder")
    write(options.out)
    print(f"Wrote {options.out}.")


if __name__ == "__main__":
    main()
