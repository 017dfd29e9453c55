"""Named arrays in one file: numpy's npz without pickle, read as if a stranger had written it.

The same arrays always give the same bytes. Reading never trusts a declared size: what an array
claims must be what is there. It does not know what the arrays are for.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from classifier.errors import DamagedBundle, OversizedBundle

Array = NDArray[Any]

MOST_ARRAYS = 64  # a model has about twenty
MOST_UNPACKED = 128 << 20  # bytes of one file; the largest sensible models have a tenth
EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first day: the time of writing must not change the bytes
# What numpy writes before plain numbers, and nothing else of what its own reader would evaluate.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<type>\|[iub]1|<[fiu][248])', 'fortran_order': False,"
    rb" 'shape': \((?P<shape>|\d{1,12},|\d{1,12}(?:, \d{1,12}){1,3})\), \} *\n", re.DOTALL)
_ADVICE = "Get or train the model anew."


def pack(arrays: Mapping[str, Array]) -> bytes:
    """The bytes of an npz file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            npy.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue())
    return file.getvalue()


def unpack(data: bytes, name: str, most: int = MOST_UNPACKED) -> dict[str, Array]:
    """The arrays of the npz file `name`, of which `data` are the bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_ARRAYS or sum(entry.file_size for entry in entries) > most:
                raise OversizedBundle(f"{name} unpacks to more than a model needs.", _ADVICE)
            return {entry.filename.removesuffix(".npy"): _array(archive, entry, name)
                    for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError,
            RuntimeError, UnicodeDecodeError) as error:
        raise DamagedBundle(f"{name} is no readable npz file: {error}.", _ADVICE) from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Array:
    content = archive.read(entry)
    header = _HEADER.match(content)
    if header is None:
        raise DamagedBundle(f"{name} has {entry.filename}, which is no array of numbers.", _ADVICE)
    shape = tuple(int(length) for length in re.findall(rb"\d+", header["shape"]))
    dtype = np.dtype(header["type"].decode())
    # Python's own integers: a shape beyond 64 bits cannot wrap to one that fits.
    count = math.prod(shape)
    if count * dtype.itemsize != len(content) - header.end():
        raise DamagedBundle(f"{name} has {entry.filename}, which is not of the size it says.",
                            _ADVICE)
    return np.frombuffer(content, dtype, count, header.end()).reshape(shape)
