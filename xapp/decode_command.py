"""`airsplit xapp decode`: any E2 PDU as a tree, from hexadecimal digits, a file or a capture.

It only gathers options, reads files and prints; what PDUs mean is `xapp.e2.tree`'s business. Heavy
libraries load when it runs.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from xapp.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pcap_tools.read import CaptureReader

EXAMPLES = """examples:
  airsplit xapp decode 0003000e0000020031000200060001400154
  airsplit xapp decode e2.pcap                     what --e2-capture wrote, or tcpdump did
  airsplit xapp decode e2.pcapng --brief           one line a PDU
  airsplit xapp decode pdus.txt --kpm 142 --rc 3   a line of digits a PDU, function numbers known
  airsplit xapp decode control.bin --json | jq .content
  xxd -p indication.bin | airsplit xapp decode -

Service models are told by the E2 setups in the same input; numbers of functions that no setup names
are those given here, or else, marked as a guess, those of an srsRAN gNB (KPM 2, RC 3, CCC 4).

exit codes: 0 all is shown; 3 a part could not be understood, the rest is shown; 1 nothing was shown
"""
DIGITS = re.compile(r"(?:0x)?[0-9a-fA-F:\s]+")
MOST_FILE = 64 << 20  # octets of a file that is no capture: it is read as a whole
MAGIC = (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1",
         b"\x0a\x0d\x0d\x0a", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ")  # packed ones too
DECODED, PARTLY, NOTHING = 0, 3, 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options to `parser`."""
    parser.description = "Show E2 PDUs as trees, with what is inside of them."
    parser.epilog = EXAMPLES
    parser.add_argument("input", metavar="HEX|FILE",
                        help="hexadecimal digits; a capture (pcap or pcapng, plain or gz, zst, "
                             "xz); a file with one PDU, or with a line of digits for each; - is "
                             "standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON object a PDU")
    parser.add_argument("--brief", action="store_true", help="print one line a PDU")
    parser.add_argument("--limit", type=_count, metavar="N", help="stop after so many PDUs")
    group = parser.add_argument_group("RAN functions", "Numbers, where no setup names them.")
    for model in ("kpm", "rc", "ccc"):
        group.add_argument(f"--{model}", type=_function, metavar="ID", action="append", default=[],
                           help=f"this function is {model.upper()}; may be repeated")
    parser.set_defaults(run=run)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else -1


def _function(text: str) -> int:
    number = _number(text)
    if not 0 <= number <= 4095:
        raise argparse.ArgumentTypeError(f"{text} is no RAN function; give 0 to 4095")
    return number


def _count(text: str) -> int:
    number = _number(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of PDUs; give 1 or more")
    return number


@dataclass(frozen=True)
class Item:
    """One PDU of the input, and what is known of where it was."""

    data: bytes
    association: Hashable = None
    about: dict[str, Any] = field(default_factory=dict)


def run(arguments: argparse.Namespace) -> int:
    """Show every PDU."""
    from xapp.e2.tree import document
    from xapp.e2.tree_payloads import KnownFunctions

    known = KnownFunctions(_given(arguments))
    shown = failed = 0
    for number, item in enumerate(_items(arguments.input), 1):
        found = document(item.data, known, item.association)
        _show(arguments, {"number": number, **item.about}, found)
        shown += 1
        failed += _broken(found)
        if number == arguments.limit:
            break
    if not shown:
        raise ConfigurationError(f"{arguments.input} holds no E2 PDU.",
                                 "Captures need SCTP with E2's PPIDs (70 to 72) or port 36421.")
    return NOTHING if failed == shown else PARTLY if failed else DECODED


def _broken(found: Any) -> bool:
    """Whether a PDU, or something inside of it, was not understood."""
    if isinstance(found, dict):
        return "problem" in found or any(_broken(one) for one in found.values())
    return isinstance(found, list) and any(_broken(one) for one in found)


def _given(arguments: argparse.Namespace) -> dict[int, str]:
    given: dict[int, str] = {}
    for model in ("kpm", "rc", "ccc"):
        for number in getattr(arguments, model):
            if given.setdefault(number, model.upper()) != model.upper():
                raise ConfigurationError(f"Function {number} is given as {given[number]} and as "
                                         f"{model.upper()}.", "Give each number once.")
    return given


def _items(given: str) -> Iterator[Item]:
    """The PDUs of the argument."""
    if given == "-":
        yield from _of_stream(sys.stdin.buffer, "standard input")
        return
    path = Path(given)
    try:
        there, pipe = path.is_file(), path.is_fifo()  # such as the shell's <(...)
    except (OSError, ValueError):  # digits make a name too long for a file
        there = pipe = False
    if there:
        yield from _of_file(path)
    elif pipe:
        with path.open("rb") as stream:
            yield from _of_stream(stream, given)
    elif DIGITS.fullmatch(given):
        yield Item(_octets(given, "The argument"))
    else:
        raise ConfigurationError(f"{given!r} is no file, and no hexadecimal digits.",
                                 "Give the path of a capture or of a PDU, or the PDU's digits.")


def _of_stream(stream: IO[bytes], name: str) -> Iterator[Item]:
    content = stream.read(MOST_FILE + 1)
    yield from (_of_capture("-", io.BytesIO(content)) if content.startswith(MAGIC)
                else _of_content(content, name))


def _of_file(path: Path) -> Iterator[Item]:
    try:
        with path.open("rb") as file:
            head = file.read(8)
            content = b"" if head.startswith(MAGIC) else head + file.read(MOST_FILE)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.",
                                 "Look at its permissions.") from error
    if head.startswith(MAGIC):
        yield from _of_capture(path)
    else:
        yield from _of_content(content, str(path))


def _of_content(content: bytes, name: str) -> Iterator[Item]:
    """A PDU, or text with one in each line."""
    if len(content) > MOST_FILE:
        raise ConfigurationError(f"{name} has more than {MOST_FILE >> 20} MiB.",
                                 "Cut it into parts, or make a capture of it.")
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeDecodeError:
        lines = []
    kept = [line.partition("#")[0].strip() for line in lines]
    kept = [line for line in kept if line]
    if not kept or not all(DIGITS.fullmatch(line) for line in kept):
        yield Item(content, about={"file": name})
    elif _wrapped(kept):
        yield Item(_octets("".join(kept), name), about={"file": name})
    else:
        for number, line in enumerate(kept, 1):
            yield Item(_octets(line, f"{name}, PDU {number},"), about={"file": name})


def _wrapped(lines: list[str]) -> bool:
    """Whether they are one PDU's digits in lines of one length, as xxd writes them."""
    from xapp.e2.e2ap_container import parse
    from xapp.errors import ProtocolError

    lengths = {len(line) for line in lines[:-1]}
    if len(lengths) > 1 or (len(lines) > 1 and len(lines[-1]) > min(lengths)):
        return False
    try:
        parse(_octets("".join(lines), ""))
    except (ProtocolError, ConfigurationError):
        return False
    return True


def _octets(text: str, name: str) -> bytes:
    digits = re.sub(r"0x|[:\s]", "", text)
    if len(digits) % 2:
        raise ConfigurationError(f"{name} has {len(digits)} hexadecimal digits, an odd number.",
                                 "Two digits make an octet; see whether one is missing.")
    return bytes.fromhex(digits)


def _of_capture(path: Path | str, stdin: io.BytesIO | None = None) -> Iterator[Item]:
    from pcap_tools.gather import tell
    from pcap_tools.read import open_captures
    from xapp.e2.capture_reading import PduFinder

    finder = PduFinder(_is_pdu)
    with open_captures([path], stdin=stdin) as reader:
        yield from _found(reader, finder)
        tell([str(warning) for warning in reader.warnings], "xapp decode")
    if finder.lost:
        print(f"airsplit xapp decode: of {finder.lost:,} PDUs a piece is missing", file=sys.stderr)


def _is_pdu(data: bytes) -> bool:
    from xapp.e2.e2ap import decode
    from xapp.errors import ProtocolError

    try:
        decode(data)
    except ProtocolError:
        return False
    return True


def _found(reader: CaptureReader, finder: Any) -> Iterator[Item]:
    for records in reader:
        for row in range(len(records)):
            start = int(records.start[row])
            frame = records.data[start:start + int(records.captured[row])].tobytes()
            for pdu in finder.take(int(records.time[row]), frame, int(records.link[row])):
                moment = datetime.fromtimestamp(pdu.time // 10**9, UTC)
                yield Item(pdu.data, pdu.ends, {
                    "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{pdu.time % 10**9 // 1000:06}Z",
                    "from": pdu.source, "to": pdu.destination, "ppid": pdu.ppid})


def _show(arguments: argparse.Namespace, about: dict[str, Any], found: dict[str, Any]) -> None:
    from xapp.e2.tree import text

    if arguments.json:
        print(json.dumps(about | found))
        return
    where = (f"{about['time']}  {about['from']} > {about['to']}  PPID {about['ppid']}"
             if "time" in about else "")
    if arguments.brief:
        print(f"{about['number']:>6}  {where + '  ' if where else ''}{_brief(found)}")
        return
    if about["number"] > 1:
        print()
    if where:
        print(f"#{about['number']}  {where}")
    print("\n".join(text(found)))


def _brief(found: dict[str, Any]) -> str:
    if "message" not in found:
        return f"no PDU: {found['problem']}"
    content = found.get("content", {})
    parts = [found["message"]]
    for name in ("transaction", "function"):
        if name in content:
            parts.append(f"{name} {content[name]}")
    if "request" in content:
        parts.append(f"request {content['request']['requestor']}/{content['request']['instance']}")
    parts += [found["problem"]] if "problem" in found else []
    parts += [content["cause"]] if "cause" in content else []
    return ", ".join(parts)
