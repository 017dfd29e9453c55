"""A UE map as a document: what an operator writes in YAML or JSON, and what an emulator tells.

    ues:
      - {address: 10.45.0.2, node: gnb_1, ue: "du:3", slice: 1-000001, cell: "000000001"}
      - {address: 10.46.0.2, node: gnb_1, ue: "du:3", slice: "1"}
      - {address: 10.45.0.3, node: gnb_1, ue: "du:4", amf_id: 17, guami: 00101-2-1-0}

Every entry has an address; the rest is what is known. With its AMF's number and name a UE that
reports name by a DU's number can be handed over. Mistakes are named with their place. It reads
one file and watches none.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from xapp.e2.common import plmn_octets
from xapp.e2.ue_id import Guami
from xapp.errors import ConfigurationError, XappError
from xapp.observations import CellKey, Snssai, UeKey
from xapp.ue_map import MOST_ENTRIES, UeEntry, canonical
from xapp.ue_names import split

# libyaml's where PyYAML was built with it: its own takes minutes for what this takes seconds for.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPEN = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken, yaml.BlockSequenceStartToken,
         yaml.BlockMappingStartToken)
_CLOSE = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
DEEPEST = 8  # levels; four are needed, and libyaml's builder dies of very many
MOST_BYTES = 8 * 1024 * 1024  # of a document: 65,536 entries of 128 bytes
_FIELDS = ("address", "node", "ue", "slice", "cell", "supi", "dnn", "teid_up", "teid_down",
           "amf_id", "guami")
_GUAMI = re.compile(r"(\d{5,6})-(\d{1,3})-(\d{1,4})-(\d{1,2})")
_CELL = re.compile(r"[0-9a-f]{9}")
_EXAMPLE = ('Write entries such as {address: 10.45.0.2, node: gnb_1, ue: "du:3", '
            'slice: 1-000001} under `ues`.')


def read(path: Path) -> tuple[UeEntry, ...]:
    """The entries of a file; ConfigurationError names what is wrong and where."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"The UE map {path} cannot be read: {error.strerror}.",
                                 "Correct `ue_map.file` in the configuration.") from error
    return parse(data, str(path))


def parse(data: bytes, name: str, yaml_too: bool = True) -> tuple[UeEntry, ...]:
    """The entries of a document called `name`; of one from the network only JSON is read."""
    if len(data) > MOST_BYTES:
        raise ConfigurationError(f"The UE map {name} is larger than {MOST_BYTES >> 20} MiB.",
                                 "Split it, or read the map from the core.")
    try:
        text = data.decode("utf-8")
        is_json = not yaml_too or text.lstrip().startswith(("{", "["))
        document = json.loads(text) if is_json else _yaml(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigurationError(f"The UE map {name} is neither YAML nor JSON: "
                                 f"{' '.join(str(error).split())[:200]}.", _EXAMPLE) from None
    if not isinstance(document, dict) or not isinstance(document.get("ues"), list):
        raise ConfigurationError(f"The UE map {name} has no list `ues`.", _EXAMPLE)
    ues = document["ues"]
    if len(ues) > MOST_ENTRIES:
        raise ConfigurationError(f"The UE map {name} has {len(ues):,} entries; "
                                 f"{MOST_ENTRIES:,} are the most.", "Leave out what is not needed.")
    return tuple(_entry(one, f"{name}, entry {number}") for number, one in enumerate(ues, 1))


def _yaml(text: str) -> Any:
    """YAML without anchors and without depths: a few of them can stand for gigabytes."""
    depth = 0
    for token in yaml.scan(text, Loader=_LOADER):
        depth += isinstance(token, _OPEN) - isinstance(token, _CLOSE)
        if depth > DEEPEST:
            raise ConfigurationError("A UE map has lists within lists.", _EXAMPLE)
        if isinstance(token, (yaml.AnchorToken, yaml.AliasToken)):
            raise ConfigurationError("A UE map has anchors or aliases.", "Write entries out.")
    return yaml.load(text, Loader=_LOADER)  # a safe one


def _entry(fields: Any, place: str) -> UeEntry:
    if not isinstance(fields, dict):
        raise _wrong(place, "it is no mapping")
    unknown = [str(key)[:40] for key in fields if key not in _FIELDS]
    if unknown:
        raise _wrong(place, f"{unknown[0]!r} is none of {', '.join(_FIELDS)}")
    address = canonical(str(fields.get("address")))
    if address is None:
        raise _wrong(place, f"{str(fields.get('address'))[:60]!r} is no address")
    node = _text(fields, "node", place)
    try:
        return UeEntry(
            address, _ue(fields, node, place), _slice(fields), _cell(fields, node, place),
            _text(fields, "supi", place), _text(fields, "dnn", place),
            _teid(fields, "teid_up", place), _teid(fields, "teid_down", place),
            core_name=_core_name(fields, place))
    except ConfigurationError as error:
        if error.problem.startswith("The UE map"):
            raise
        raise _wrong(place, error.problem.rstrip(".")) from None


def _ue(fields: dict[str, Any], node: str | None, place: str) -> UeKey | None:
    ue = _text(fields, "ue", place)
    if ue is None:
        return None
    split(ue)
    if node is None:
        raise _wrong(place, "a UE's name means something only together with `node`")
    return UeKey(node, ue)


def _slice(fields: dict[str, Any]) -> Snssai | None:
    value = fields.get("slice")
    return None if value is None else Snssai.parse(str(value))


def _cell(fields: dict[str, Any], node: str | None, place: str) -> CellKey | None:
    cell = _text(fields, "cell", place)
    if cell is None:
        return None
    if node is None or _CELL.fullmatch(cell.lower()) is None:
        raise _wrong(place, "`cell` is an NR cell identity in nine hexadecimal digits, in quotes, "
                     "beside `node`")
    return CellKey(node, cell.lower())


def _core_name(fields: dict[str, Any], place: str) -> tuple[int, Guami] | None:
    amf_id, guami = fields.get("amf_id"), _text(fields, "guami", place)
    if amf_id is None and guami is None:
        return None
    if type(amf_id) is not int or not 0 <= amf_id < 2**40:
        raise _wrong(place, "`amf_id` is an AMF-UE-NGAP-ID, a number, and goes with `guami`")
    found = None if guami is None else _GUAMI.fullmatch(guami)
    if found is None or any(int(found[part]) >= most for part, most in (
            (2, 256), (3, 1024), (4, 64))):
        raise _wrong(place, "`guami` is NETWORK-REGION-SET-POINTER, such as 00101-2-1-0, in "
                     "quotes, and goes with `amf_id`")
    return amf_id, Guami(plmn_octets(found[1]), int(found[2]), int(found[3]), int(found[4]))


def _text(fields: dict[str, Any], key: str, place: str) -> str | None:
    value = fields.get(key)
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= 200
                                  and value.isprintable()):
        raise _wrong(place, f"`{key}` is no text; put it in quotes")
    return value


def _teid(fields: dict[str, Any], key: str, place: str) -> int | None:
    value = fields.get(key)
    if value is not None and not (type(value) is int and 0 < value < 2**32):
        raise _wrong(place, f"`{key}` is no tunnel's number")
    return value


def _wrong(place: str, what: str) -> XappError:
    return ConfigurationError(f"The UE map {place}: {what}.", _EXAMPLE)
