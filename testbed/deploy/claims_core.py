"""What Open5GS's files and its subscribers say of what others speak of, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from testbed.deploy.claim import Claim, snssai, sorted_slices
from testbed.deploy.errors import DeployError
from testbed.deploy.folder import Folder
from testbed.deploy.site import FUNCTIONS
from testbed.deploy.subscribers import entered
from xapp.observations import Snssai

NO_SD = 0xFFFFFF
SUBSCRIBERS, SCRIPT = "subscribers.json", "subscribers.sh"


def core_claims(folder: Folder) -> Iterator[Claim]:
    yield from _addresses(folder)
    yield from _amf(folder)
    yield from _smf(folder)
    yield from _upf(folder)
    yield from _nssf(folder)
    yield from _subscribers(folder)


def _addresses(folder: Folder) -> Iterator[Claim]:
    """Where each function listens, and where others look for it."""
    for name in FUNCTIONS:
        file = f"open5gs/{name}.yaml"
        if name != "upf":
            for one in folder.items(file, name, "sbi", "server"):
                yield Claim(f"address of the {name.upper()}",
                            f"{one.get('address')}:{one.get('port')}", file, f"{name}.sbi.server")
        for other in ("scp", "nrf"):
            for one in folder.items(file, name, "sbi", "client", other):
                yield Claim(f"address of the {other.upper()}", _place(one), file,
                            f"{name}.sbi.client.{other}")
    for name in ("amf", "smf"):
        file = f"open5gs/{name}.yaml"
        found = folder.items(file, name, "metrics", "server")
        said = f"{found[0].get('address')}:{found[0].get('port')}" if found else None
        yield Claim(f"information API of the {name.upper()}", said, file, f"{name}.metrics.server")


def _place(item: Mapping[str, Any]) -> str:
    return str(item.get("uri")).removeprefix("http://")


def _amf(folder: Folder) -> Iterator[Claim]:
    file = "open5gs/amf.yaml"
    found = folder.items(file, "amf", "ngap", "server")
    yield Claim("address of the AMF for gNBs", found[0].get("address") if found else None, file,
                "amf.ngap.server")
    for part in ("guami", "tai", "plmn_support"):
        for one in folder.items(file, "amf", part):
            yield Claim("plmn", _plmn(one), file, f"amf.{part}")
            if part == "tai":
                yield Claim("tac", one.get("tac"), file, "amf.tai")
            if part == "plmn_support":
                yield Claim("slices", sorted_slices(map(_hexadecimal, _mappings(
                    one.get("s_nssai")))), file, "amf.plmn_support.s_nssai")
    for one in folder.items("open5gs/nrf.yaml", "nrf", "serving"):
        yield Claim("plmn", _plmn(one), "open5gs/nrf.yaml", "nrf.serving")


def _smf(folder: Folder) -> Iterator[Claim]:
    file = "open5gs/smf.yaml"
    yield Claim("UPF's UEs", _sessions(folder, file, "smf"), file, "smf.session")
    listed, pairs = [], []
    for part in folder.items(file, "smf", "info"):
        for one in _mappings(part.get("s_nssai")):
            slice_ = _hexadecimal(one)
            listed.append(slice_)
            dnns = one.get("dnn")
            pairs += [(str(slice_), str(dnn)) for dnn in (dnns if isinstance(dnns, list) else ())]
    yield Claim("slices", sorted_slices(listed), file, "smf.info.s_nssai")
    yield Claim("DNNs of slices", tuple(sorted(pairs)), file, "smf.info.s_nssai.dnn")
    for one in folder.items(file, "smf", "pfcp", "client", "upf"):
        yield Claim("address of the UPF for the SMF", one.get("address"), file,
                    "smf.pfcp.client.upf")


def _upf(folder: Folder) -> Iterator[Claim]:
    file = "open5gs/upf.yaml"
    yield Claim("UPF's UEs", _sessions(folder, file, "upf"), file, "upf.session")
    devices = [(str(one.get("dnn")), str(one.get("dev")))
               for one in folder.items(file, "upf", "session")]
    yield Claim("devices of DNNs", tuple(sorted(devices)), file, "upf.session.dev")
    for one in folder.items(file, "upf", "pfcp", "server"):
        yield Claim("address of the UPF for the SMF", one.get("address"), file, "upf.pfcp.server")


def _nssf(folder: Folder) -> Iterator[Claim]:
    file = "open5gs/nssf.yaml"
    found = folder.items(file, "nssf", "sbi", "client", "nsi")
    slices = [one.get("s_nssai") for one in found]
    yield Claim("slices", sorted_slices(_hexadecimal(one) if isinstance(one, Mapping) else None
                                        for one in slices), file, "nssf.sbi.client.nsi")
    for one in found:
        yield Claim("address of the NRF", _place(one), file, "nssf.sbi.client.nsi.uri")


def _subscribers(folder: Folder) -> Iterator[Claim]:
    """The same of the script as of the documents: each is entered by itself."""
    for file, document in subscriber_documents(folder):
        entries = _mappings(document)
        yield Claim("subscribers", tuple(sorted(str(one.get("imsi")) for one in entries)), file,
                    "imsi")
        for one in entries:
            yield from _subscriber(one, file)


def _subscriber(entry: Mapping[str, Any], file: str) -> Iterator[Claim]:
    imsi = entry.get("imsi")
    secrets = entry.get("security")
    secrets = secrets if isinstance(secrets, Mapping) else {}
    yield Claim(f"key of {imsi}", str(secrets.get("k")).lower(), file, f"{imsi}: security.k")
    yield Claim(f"OPc of {imsi}", str(secrets.get("opc")).lower(), file, f"{imsi}: security.opc")
    pairs = [(str(_hexadecimal(part)), str(session.get("name")))
             for part in _mappings(entry.get("slice"))
             for session in _mappings(part.get("session"))]
    yield Claim(f"sessions of {imsi}", tuple(sorted(pairs)), file, f"{imsi}: slice")


def subscriber_documents(folder: Folder) -> Iterator[tuple[str, Any]]:
    """Each file with subscribers that can be read, and what it enters."""
    if SUBSCRIBERS in folder.documents:
        yield SUBSCRIBERS, folder.documents[SUBSCRIBERS]
    if SCRIPT in folder.texts:
        try:
            yield SCRIPT, entered(folder.texts[SCRIPT])
        except DeployError:
            return  # `check_subscribers` says why


def _sessions(folder: Folder, file: str, name: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(one.get("dnn")), str(one.get("subnet")))
                        for one in folder.items(file, name, "session")))


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _plmn(item: Mapping[str, Any]) -> str | None:
    plmn = item.get("plmn_id")
    return f"{plmn.get('mcc')}{plmn.get('mnc')}" if isinstance(plmn, Mapping) else None


def _hexadecimal(item: Mapping[str, Any]) -> Snssai | None:
    """A slice with its SD in hexadecimal digits, as Open5GS reads it even where it is a number."""
    sd = item.get("sd")
    if sd is None:
        return snssai(item.get("sst"), None, False)
    try:
        value = int(str(sd), 16)
    except ValueError:
        return None
    return snssai(item.get("sst"), None if value == NO_SD else value, value != NO_SD)
