"""Bytes of a frame as numbers, inside compiled functions: one load each, and no check of bounds.

Whoever calls them has made sure that the bytes were captured. NumPy's own indexing would look at
the sign of each index and read a word byte by byte. Results are int64, so that sums of them stay
integers; `word` alone is unsigned, as it came, for addresses that are only compared and hashed.
Uncompiled, the same functions are plain Python.

`borrowed` is an array without the count of its references: compiled functions count them at every
call, and that costs more than most of these functions do. The caller keeps the array alive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import UNCOMPILED

Load = Callable[[NDArray[np.uint8], int], int]
byte: Load  # at an index
short: Load  # of two bytes, the most significant first
long: Load  # of four
word: Load  # of eight, the least significant first
borrowed: Callable[[Any], Any]


def _plain(width: int, order: Literal["little", "big"]) -> Load:
    def load(data: NDArray[np.uint8], index: int) -> int:
        assert 0 <= index <= len(data) - width, "read outside the data"
        return int.from_bytes(data[index:index + width].tobytes(), order)
    return load


def _intrinsic(bits: int, swap: bool, signed: bool) -> Load:
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def typed(typing_context: Any, data: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            proxy: Any = cgutils.create_struct_proxy
            array = proxy(data)(context, builder, arguments[0])
            start = builder.bitcast(array.data, ir.IntType(8).as_pointer())
            place = builder.gep(start, [arguments[1]])
            value = builder.load(builder.bitcast(place, ir.IntType(bits).as_pointer()), align=1)
            if swap:
                value = builder.bswap(value)
            return value if bits == 64 else builder.zext(value, ir.IntType(64))
        return (types.int64 if signed else types.uint64)(data, types.int64), generate

    made: Any = intrinsic(typed)
    return cast(Load, made)


def _borrowing() -> Callable[[Any], Any]:
    from numba.core import cgutils
    from numba.extending import intrinsic

    def typed(typing_context: Any, array: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            tools: Any = cgutils
            view = tools.create_struct_proxy(array)(context, builder, arguments[0])
            view.meminfo = tools.get_null_value(view.meminfo.type)
            view.parent = tools.get_null_value(view.parent.type)
            return view._getvalue()
        return array(array), generate

    made: Any = intrinsic(typed)
    return cast(Callable[[Any], Any], made)


def _itself(array: Any) -> Any:
    return array


if UNCOMPILED:
    borrowed = _itself
    byte, short, long = (_plain(width, "big") for width in (1, 2, 4))
    word = _plain(8, "little")
else:
    borrowed = _borrowing()
    byte, short, long = (_intrinsic(bits, bits > 8, True) for bits in (8, 16, 32))
    word = _intrinsic(64, False, False)
