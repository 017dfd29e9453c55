"""The compiled kernels as Python sees them: structures mirrored, functions declared.

Calls through `ctypes.CDLL` release the interpreter lock. It checks that both sides agree on the
layout of what they share, and knows nothing else about a model.
"""

from __future__ import annotations

import ctypes
import functools
from ctypes import POINTER, Structure, c_float, c_int32, c_int64, c_uint32, c_void_p
from pathlib import Path
from typing import Literal

from edge_server.engine.kernels.build import NoKernels, build

Precision = Literal["fp32", "bf16", "int8"]
PRECISIONS: dict[Precision, int] = {"fp32": 0, "bf16": 1, "int8": 2}
STORED = {"BF16": 0, "F16": 1, "F32": 2}
PANEL = 64  # outputs side by side in packed weights
GROUP = 64  # inputs are padded to it
BLOCK = 64  # positions of a cache block
DIMENSION_STEP = 16  # head dimensions are padded to it


class Matrix(Structure):
    """Packed weights of one product."""

    _fields_ = [("panels", c_void_p), ("bias", c_void_p), ("inputs", c_int32),
                ("outputs", c_int32)]


class Layer(Structure):
    """One layer's products, norms and kind of attention."""

    _fields_ = [
        ("query_key_value", Matrix), ("attention_output", Matrix), ("gate_up", Matrix),
        ("down", Matrix),
        ("input_norm", c_void_p), ("post_attention_norm", c_void_p),
        ("pre_feed_forward_norm", c_void_p), ("post_feed_forward_norm", c_void_p),
        ("query_norm", c_void_p), ("key_norm", c_void_p),
        ("rope", c_void_p), ("window", c_int32),
    ]


class Decoder(Structure):
    """What a stage computes with."""

    _fields_ = [
        ("layer", POINTER(Layer)), ("cache", c_void_p),
        ("slot_bytes", c_int64), ("block_bytes", c_int64),
        *((name, c_int32) for name in (
            "precision", "layers", "hidden", "intermediate", "heads", "key_value_heads",
            "head_dimension", "activation", "capacity", "threads")),
        ("norm_epsilon", c_float), ("attention_scale", c_float), ("attention_softcap", c_float),
    ]


class Output(Structure):
    """The final norm and the output projection."""

    _fields_ = [
        ("projection", Matrix), ("norm", c_void_p),
        *((name, c_int32) for name in ("precision", "hidden", "vocabulary", "threads")),
        ("norm_epsilon", c_float), ("logit_softcap", c_float),
    ]


class Twister(Structure):
    """State of a generator of random words."""

    _fields_ = [("words", c_uint32 * 624), ("used", c_uint32)]


@functools.cache
def kernels() -> ctypes.CDLL:
    """The library for this machine, compiled on first use."""
    return load(build())


def load(library: Path) -> ctypes.CDLL:
    """Load and declare a compiled library."""
    try:
        native = ctypes.CDLL(str(library))
    except OSError as error:
        raise NoKernels(f"{library} cannot be loaded: {error}.",
                        "Delete it, or use --backend reference.") from error
    declare = {
        "open": (c_void_p, [POINTER(Decoder)]),
        "open_output": (c_void_p, [POINTER(Output)]),
        "close": (None, [c_void_p]),
        "scratch_bytes": (c_int64, [c_void_p]),
        "forward": (None, [c_void_p, c_int32, c_int32, *[c_void_p] * 4, c_int32]),
        "logits": (None, [c_void_p, c_void_p, c_void_p, c_int32]),
        "likeliest": (None, [*[c_void_p] * 5, c_int32]),
        "seed": (None, [POINTER(Twister), c_uint32]),
        "skip": (None, [POINTER(Twister), c_int64]),
        "draw": (c_int32, [POINTER(Twister), c_void_p, c_int32]),
        "kth_largest": (c_float, [c_void_p, c_int64, c_int64, c_void_p]),
        "panel_bytes": (c_int64, [c_int32, c_int32]),
        "pack": (None, [c_void_p, c_int32, c_int32, c_int32, c_void_p, c_int32, c_int32]),
        "layout": (c_int64, [c_int32]),
        "evaluate": (None, [c_int32, c_void_p, c_void_p, c_int32]),
    }
    for name, (result, arguments) in declare.items():
        function = getattr(native, f"airsplit_{name}")
        function.restype, function.argtypes = result, arguments
    ours = [ctypes.sizeof(Layer), ctypes.sizeof(Decoder), ctypes.sizeof(Output), BLOCK,
            DIMENSION_STEP, PANEL, ctypes.sizeof(Twister), GROUP]
    if [native.airsplit_layout(which) for which in range(len(ours))] != ours:
        raise NoKernels(f"{library} was compiled from other sources.", "Delete it and start again.")
    return native
