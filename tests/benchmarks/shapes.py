"""Checkpoint folders of known shapes with random weights, written tensor by tensor.

They make timings and memory comparable with models of that size without downloading one. Their
text is noise: nothing about quality can be measured on them. There is no tokenizer in them.

    python -m tests.benchmarks.shapes gemma3-270m --out DIR
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from edge_server.engine.architecture import layer_tensors, model_tensors, read_architecture

DEVIATION = 0.02  # of every weight: activations stay finite through 18 layers
CHUNK_ELEMENTS = 4 << 20  # drawn at a time: 16 MiB in fp32, whatever the tensor's size
ONE_FILE = 1 << 62  # bytes: more than any checkpoint, so a single file
FORMAT = 1  # part of the cache key: raise it when the bytes written change

_GEMMA3: dict[str, Any] = {
    "model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"],
    "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0,
    "rope_local_base_freq": 10_000.0, "query_pre_attn_scalar": 256, "sliding_window": 512,
    "sliding_window_pattern": 6, "tie_word_embeddings": True, "attention_bias": False,
    "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0, "torch_dtype": "bfloat16",
}
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": _GEMMA3 | {
        "vocab_size": 2048, "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 6,
        "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 64, "sliding_window": 32,
        "query_pre_attn_scalar": 64, "max_position_embeddings": 4096,
    },
    # A row of 4 KiB and next to nothing to compute: what is left is the way to the edge and back.
    "row-4k": _GEMMA3 | {
        "vocab_size": 256, "hidden_size": 2048, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 64,
        "query_pre_attn_scalar": 64, "max_position_embeddings": 8192,
    },
    "gemma3-270m": _GEMMA3 | {
        "vocab_size": 262_144, "hidden_size": 640, "intermediate_size": 2048,
        "num_hidden_layers": 18, "num_attention_heads": 4, "num_key_value_heads": 1,
        "head_dim": 256, "max_position_embeddings": 32_768,
    },
    "gemma-2b": {
        "model_type": "gemma", "architectures": ["GemmaForCausalLM"], "vocab_size": 256_000,
        "hidden_size": 2048, "intermediate_size": 16_384, "num_hidden_layers": 18,
        "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256,
        "max_position_embeddings": 8192, "hidden_act": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6,
        "rope_theta": 10_000.0, "tie_word_embeddings": True, "attention_bias": False,
        "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0, "torch_dtype": "bfloat16",
    },
}


def configuration(shape: str) -> dict[str, Any]:
    """The config.json of a shape, with the layer pattern spelt out."""
    config = dict(SHAPES[shape])
    period = config.get("sliding_window_pattern")
    if period:
        config["layer_types"] = [
            "sliding_attention" if (index + 1) % period else "full_attention"
            for index in range(config["num_hidden_layers"])]
    return config


def weights_per_token(shape: str) -> int:
    """Weights that one generated token touches: all layers and the output matrix."""
    architecture = read_architecture(configuration(shape), shape)
    one_layer = sum(math.prod(extents) for extents in layer_tensors(architecture).values())
    output = architecture.vocabulary * architecture.hidden
    return architecture.layers * one_layer + architecture.hidden + output


def prompt_ids(length: int, vocabulary: int) -> list[int]:
    """Token ids without meaning, spread over the vocabulary."""
    return [(index * 7919 + 11) % vocabulary for index in range(length)]


def write(shape: str, folder: Path, seed: int = 0, shard_bytes: int = ONE_FILE) -> None:
    """Write config.json and bf16 safetensors of `shape` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = configuration(shape)
    tensors = {_stored_name(name): extents for name, extents
               in model_tensors(read_architecture(config, shape)).items()}
    shards = _shards(tensors, shard_bytes)
    placed: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = ("model.safetensors" if len(shards) == 1
                else f"model-{number:05}-of-{len(shards):05}.safetensors")
        _write_file(folder / file, {name: tensors[name] for name in names}, seed)
        placed |= dict.fromkeys(names, file)
    if len(shards) > 1:
        total = sum(2 * math.prod(extents) for extents in tensors.values())
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {"total_size": total}, "weight_map": placed}, indent=1))
    (folder / "config.json").write_text(json.dumps(config, indent=1))  # last: it marks the end


@contextmanager
def checkpoint(shape: str, cache: Path | None = None, seed: int = 0) -> Iterator[Path]:
    """A folder of `shape`: kept in `cache` where one is given, else removed at the end."""
    if cache is not None:
        folder = cache / f"{shape}-{_key(shape, seed)}"
        if not (folder / "config.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            write(shape, folder, seed)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix=f"airsplit-{shape}-") as name:
        write(shape, Path(name), seed)
        yield Path(name)


def _key(shape: str, seed: int) -> str:
    text = json.dumps([FORMAT, DEVIATION, seed, configuration(shape)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _stored_name(name: str) -> str:
    return name if name == "lm_head.weight" else f"model.{name}"


def _shards(tensors: Mapping[str, tuple[int, ...]], limit: int) -> list[list[str]]:
    """Names in order, cut before a file would pass `limit` bytes."""
    shards: list[list[str]] = [[]]
    filled = 0
    for name, extents in tensors.items():
        size = 2 * math.prod(extents)
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def _write_file(path: Path, tensors: Mapping[str, tuple[int, ...]], seed: int) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, extents in tensors.items():
        size = 2 * math.prod(extents)
        header[name] = {"dtype": "BF16", "shape": list(extents),
                        "data_offsets": [offset, offset + size]}
        offset += size
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        for name, extents in tensors.items():
            _write_tensor(file, name, math.prod(extents), seed)


def _write_tensor(file: BinaryIO, name: str, elements: int, seed: int) -> None:
    """Norms are 0 (Gemma adds 1), weights normal; each tensor has a seed of its own."""
    import torch  # here, so that the other benchmarks' parent processes stay small

    if name.endswith("norm.weight"):
        file.write(bytes(2 * elements))
        return
    own = hashlib.sha256(f"{seed} {name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(own[:7], "big"))
    buffer = torch.empty(min(elements, CHUNK_ELEMENTS))
    for begin in range(0, elements, CHUNK_ELEMENTS):
        part = buffer[: min(CHUNK_ELEMENTS, elements - begin)]
        part.normal_(0.0, DEVIATION, generator=generator)
        file.write(part.to(torch.bfloat16).view(torch.uint8).numpy().data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shard-mib", type=int, help="cut into files of about this size")
    options = parser.parse_args()
    began = time.monotonic()
    write(options.shape, options.out, options.seed,
          options.shard_mib << 20 if options.shard_mib else ONE_FILE)
    size = sum(file.stat().st_size for file in options.out.iterdir())
    print(f"{options.out}: {size / 1e9:.2f} GB in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
