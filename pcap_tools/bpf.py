"""Capture filters as the kernel takes them: with libpcap where there is one, else with our own.

libpcap knows the whole language (and looks names up); `bpf_syntax` its common part, and where in
the text a mistake is. The kernel keeps a frame's outermost VLAN tag apart from the frame, so that
filters see tagged frames as if they were not, and cannot ask for a VLAN.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import threading
from functools import cache
from typing import Any

from pcap_tools.bpf_code import RETURN, Instruction, Program, generate, packed
from pcap_tools.bpf_syntax import MOST_CHARACTERS, parse_filter
from pcap_tools.errors import FilterError

__all__ = ["Instruction", "Program", "compile_filter", "libpcap", "packed"]
NETMASK_UNKNOWN = 0xFFFFFFFF
DLT_RAW, LINKTYPE_RAW = 12, 101  # the same, once within libpcap and once in files
_lock = threading.Lock()  # older versions of libpcap's parser keep their state in globals


class _Step(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("when_true", ctypes.c_uint8),
                ("when_false", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("steps", ctypes.POINTER(_Step)))


@cache
def libpcap() -> Any | None:
    """The library, where it is installed."""
    name = ctypes.util.find_library("pcap") or "libpcap.so.0.8"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return None
    library.pcap_open_dead.restype = ctypes.c_void_p
    library.pcap_open_dead.argtypes = [ctypes.c_int, ctypes.c_int]
    library.pcap_compile.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Program), ctypes.c_char_p,
                                     ctypes.c_int, ctypes.c_uint32]
    library.pcap_geterr.restype = ctypes.c_char_p
    library.pcap_geterr.argtypes = [ctypes.c_void_p]
    library.pcap_freecode.argtypes = [ctypes.POINTER(_Program)]
    library.pcap_close.argtypes = [ctypes.c_void_p]
    return library


def compile_filter(text: str, link: int, snap: int, own: bool = False) -> Program:
    """Instructions that pass the first `snap` bytes of the packets that `text` asks for.

    `own` leaves libpcap aside. FilterError where the text is not understood.
    """
    if not text.strip():
        return (Instruction(RETURN, 0, 0, snap),)
    if re.search(r"\bvlan\b", text):
        raise FilterError("A filter on an interface cannot ask for a VLAN: the kernel has taken "
                          "the tag out by then.", "Leave it out, and choose by VLAN afterwards.")
    library = None if own else libpcap()
    if library is None:
        return generate(parse_filter(text), link, snap)
    return _with_library(library, text, link, snap)


def _with_library(library: Any, text: str, link: int, snap: int) -> Program:
    if "\0" in text or len(text) > MOST_CHARACTERS:
        raise FilterError("The filter is too long, or has a zero byte in it.")
    program = _Program()
    with _lock:
        handle = library.pcap_open_dead(DLT_RAW if link == LINKTYPE_RAW else link, snap)
        try:
            if library.pcap_compile(handle, ctypes.byref(program), text.encode(), 1,
                                    NETMASK_UNKNOWN):
                said = library.pcap_geterr(handle).decode(errors="replace")
                raise _explained(text, said)
            steps = tuple(Instruction(step.code, step.when_true, step.when_false, step.k)
                          for step in program.steps[:program.length])
            library.pcap_freecode(ctypes.byref(program))
        finally:
            library.pcap_close(handle)
    return steps


def _explained(text: str, said: str) -> FilterError:
    """libpcap says what is wrong, and seldom where: our own parser knows the place."""
    try:
        parse_filter(text)
    except FilterError as error:
        return FilterError(f"{error.problem} libpcap says: {said}.", error.remedy)
    if "rejects all packets" in said:
        return FilterError("The filter can let no packet of this interface through.",
                           "Ask for less at once.")
    return FilterError(f"The filter is not understood: {said}.")
