"""What each file says of things that several files speak of: PLMN, slices, addresses, rates, keys.

    wanted = site_claims(site)            # {"tac": 7, "slices": (...), ...}
    for claim in claims(folder): claim.topic, claim.value, claim.file, claim.key

Components write one thing in several ways (an SD is a number to the gNB and srsUE, hexadecimal
digits to Open5GS); here each has one form. What differs is for `check_folder`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from testbed.deploy import claims_core, facts
from testbed.deploy.claim import Claim, number, snssai, sorted_slices
from testbed.deploy.folder import Folder
from testbed.deploy.oai_carrier import carrier_of
from testbed.deploy.site import FUNCTIONS, GnbKind, Radio, RicKind, SiteConfig, UeConfig, UeKind
from xapp.errors import ConfigurationError
from xapp.observations import Snssai

GNB, OAI_GNB, RADIO, XAPP = "gnb/gnb.yaml", "gnb/gnb.conf", "radio/radio.yaml", "xapp/xapp.yaml"
OSC, FLEXRIC = "osc/config-file.json", "flexric/flexric.conf"
_OAI_CARRIER = {
    "dl_frequencyBand": "band", "ul_frequencyBand": "band", "absoluteFrequencySSB": "SSB",
    "dl_absoluteFrequencyPointA": "point A", "dl_carrierBandwidth": "resource blocks",
    "ul_carrierBandwidth": "resource blocks", "initialDLBWPlocationAndBandwidth": "initial BWP",
    "initialULBWPlocationAndBandwidth": "initial BWP",
    "initialDLBWPcontrolResourceSetZero": "CORESET 0"}
_OAI_OPTIONS = {"-r": "resource blocks", "--band": "band", "-C": "carrier frequency",
                "--ssb": "SSB's subcarrier"}  # of the UE's command
_OAI_SERVER = "--rfsimulator.[0].serveraddr"
_PORTS = re.compile(r"(tx_port|rx_port|base_srate)=([^,\s]+)")


@dataclass(frozen=True)
class _Zmq:
    transmits: str | None
    receives: str | None
    rate: float | None


def site_claims(site: SiteConfig) -> dict[str, Any]:
    """What the site says of each topic."""
    found: dict[str, Any] = {
        "plmn": site.plmn, "tac": site.tac, "slices": sorted_slices(x.slice for x in site.slices),
        "E2 address": site.ric.address, "E2 port": site.ric.port,
        "metrics period": site.metrics_ms, "loop period": site.loop_ms,
        "sample rate": site.gnb.sample_rate, "resource blocks": facts.blocks(site.gnb),
        "gNB transmits": facts.GNB_PLACES[0], "gNB receives": facts.GNB_PLACES[1],
        "remote control": facts.remote_place(site),
        "UPF's UEs": tuple(sorted((x.dnn, str(x.subnet)) for x in site.slices)),
        "DNNs of slices": tuple(sorted((str(x.slice), x.dnn) for x in site.slices)),
        "devices of DNNs": tuple(sorted((x.dnn, x.device) for x in site.slices)),
        "subscribers": tuple(sorted(one.imsi for one in site.ues))}
    for name in FUNCTIONS:
        found[f"address of the {name.upper()}"] = (
            f"{getattr(site.core, name)}:{site.core.sbi_port}")
    found["address of the AMF for gNBs"] = site.core.amf
    found["address of the UPF for the SMF"] = site.core.upf
    for name in ("amf", "smf"):
        found[f"information API of the {name.upper()}"] = (
            f"{getattr(site.core, name)}:{site.core.metrics_port}")
    if site.gnb.kind is GnbKind.OAI:
        carrier = carrier_of(site.gnb)
        found |= {"band": site.gnb.band, "SSB": carrier.ssb, "point A": carrier.point_a,
                  "CORESET 0": carrier.coreset0, "initial BWP": carrier.location_and_bandwidth,
                  "carrier frequency": carrier.hertz, "SSB's subcarrier": carrier.ssb_subcarrier}
    found |= {f"{name}'s way to the gNB": way.gnb for name, way in facts.ways(site).items()}
    places = {one.name: facts.ue_places(at) for at, one in enumerate(facts.srsues(site))}
    for ue in site.ues:
        found |= {f"IMSI of {ue.name}": ue.imsi, f"key of {ue.imsi}": ue.key.lower(),
                  f"OPc of {ue.imsi}": ue.opc.lower(),
                  f"sessions of {ue.imsi}": tuple(sorted(
                      (str(one.slice), one.dnn) for one in facts.sessions(site, ue)))}
        if ue.name in places:
            found[f"{ue.name} transmits"], found[f"{ue.name} receives"] = places[ue.name]
    return found


def claims(folder: Folder) -> Iterator[Claim]:
    """What all files say."""
    site = folder.site
    if site.gnb.kind is GnbKind.OAI:
        yield from _oai(folder)
    else:
        yield from _gnb(folder)
    if facts.has_core(site):
        yield from claims_core.core_claims(folder)
    for ue in site.ues:
        if ue.kind is UeKind.SRSUE:
            yield from _srsue(folder, ue)
        elif ue.kind is UeKind.OAI:
            yield from _nrue(folder, ue)
    if site.gnb.radio is Radio.ZMQ:
        yield from _radio(folder)
    if site.ric.kind is RicKind.FLEXRIC:
        yield Claim("E2 address", folder.at(FLEXRIC, "NEAR-RIC", "near_ric_ip"), FLEXRIC,
                    "[NEAR-RIC] NEAR_RIC_IP")
    yield from _xapp(folder)


def _gnb(folder: Folder) -> Iterator[Claim]:
    at = folder.at
    yield Claim("plmn", at(GNB, "cell_cfg", "plmn"), GNB, "cell_cfg.plmn")
    yield Claim("tac", at(GNB, "cell_cfg", "tac"), GNB, "cell_cfg.tac")
    yield Claim("slices", sorted_slices(map(_decimal, folder.items(GNB, "cell_cfg", "slicing"))),
                GNB, "cell_cfg.slicing")
    areas = ("cu_cp", "amf", "supported_tracking_areas")
    key = ".".join(areas)
    for number_, area in enumerate(folder.items(GNB, *areas)):
        yield Claim("tac", area.get("tac"), GNB, f"{key}[{number_}].tac")
        for plmn in folder.items(GNB, *areas, number_, "plmn_list"):
            yield Claim("plmn", plmn.get("plmn"), GNB, f"{key}[{number_}].plmn_list")
            items = plmn.get("tai_slice_support_list")
            yield Claim("slices", sorted_slices(_decimal(one) for one in _listed(items)
                                                if isinstance(one, Mapping)),
                        GNB, f"{key}[{number_}].tai_slice_support_list")
    addr = "addrs" if folder.site.gnb.kind is GnbKind.OCUDU else "addr"
    if facts.has_core(folder.site):
        yield Claim("address of the AMF for gNBs", at(GNB, "cu_cp", "amf", addr), GNB,
                    f"cu_cp.amf.{addr}")
    yield Claim("E2 address", at(GNB, "e2", addr), GNB, f"e2.{addr}")
    yield Claim("E2 port", at(GNB, "e2", "port"), GNB, "e2.port")
    period = ("metrics", "periodicity", "du_report_period")
    yield Claim("metrics period", at(GNB, *period), GNB, ".".join(period))
    on = at(GNB, "remote_control", "enabled") is True
    said = (f"{at(GNB, 'remote_control', 'bind_addr')}:{at(GNB, 'remote_control', 'port')}"
            if on else None)
    yield Claim("remote control", said, GNB, "remote_control")
    if folder.site.gnb.radio is not Radio.DUMMY:
        rate = at(GNB, "ru_sdr", "srate")
        yield Claim("sample rate", _rate(rate, 1e6), GNB, "ru_sdr.srate")
    if folder.site.gnb.radio is Radio.ZMQ:
        zmq = _zmq(at(GNB, "ru_sdr", "device_args"))
        key = "ru_sdr.device_args"
        yield Claim("gNB transmits", zmq.transmits, GNB, key)
        yield Claim("gNB receives", zmq.receives, GNB, key)
        yield Claim("sample rate", zmq.rate, GNB, f"{key}: base_srate")


def _oai(folder: Folder) -> Iterator[Claim]:
    text = _bare(folder.texts.get(OAI_GNB, ""))
    tac = re.search(r"tracking_area_code\s*=\s*(\w+)", text)
    yield Claim("tac", number(tac[1]) if tac else None, OAI_GNB, "tracking_area_code")
    plmn = re.search(r"mcc\s*=\s*(\d+)\s*;\s*mnc\s*=\s*(\d+)\s*;\s*mnc_length\s*=\s*(\d)", text)
    said = f"{int(plmn[1]):03}{int(plmn[2]):0{int(plmn[3])}}" if plmn else None
    yield Claim("plmn", said, OAI_GNB, "plmn_list")
    listed = re.search(r"snssaiList\s*=\s*\((.*?)\)", text, re.DOTALL)
    yield Claim("slices", sorted_slices(_libconfig(listed[1], "sst", "sd")) if listed else None,
                OAI_GNB, "snssaiList")
    for topic, name in (("address of the AMF for gNBs", r"amf_ip_address\s*=\s*\(\{\s*ipv4"),
                        ("E2 address", "near_ric_ip_addr")):
        found = re.search(name + r'\s*=\s*"([^"]*)"', text)
        yield Claim(topic, found[1] if found else None, OAI_GNB, name.split("\\")[0])
    for name, topic in _OAI_CARRIER.items():
        found = re.search(rf"\b{name}\s*=\s*(\w+)", text)
        yield Claim(topic, number(found[1]) if found else None, OAI_GNB, name)


def _srsue(folder: Folder, ue: UeConfig) -> Iterator[Claim]:
    file = f"ue/{ue.name}.conf"
    at = folder.at
    imsi = at(file, "usim", "imsi")
    yield Claim(f"IMSI of {ue.name}", imsi, file, "[usim] imsi")
    yield Claim(f"key of {ue.imsi}", _lower(at(file, "usim", "k")), file, "[usim] k")
    yield Claim(f"OPc of {ue.imsi}", _lower(at(file, "usim", "opc")), file, "[usim] opc")
    slice_ = _decimal({"sst": at(file, "slicing", "nssai-sst"),
                       "sd": at(file, "slicing", "nssai-sd")})
    said = None if slice_ is None else ((str(slice_), str(at(file, "nas", "apn"))),)
    yield Claim(f"sessions of {ue.imsi}", said, file, "[slicing], [nas] apn")
    for name in ("nof_prb", "max_nof_prb"):
        yield Claim("resource blocks", number(at(file, "rat.nr", name)), file, f"[rat.nr] {name}")
    yield Claim("sample rate", _rate(at(file, "rf", "srate"), 1), file, "[rf] srate")
    if folder.site.gnb.radio is Radio.ZMQ:
        zmq = _zmq(at(file, "rf", "device_args"))
        yield Claim(f"{ue.name} transmits", zmq.transmits, file, "[rf] device_args")
        yield Claim(f"{ue.name} receives", zmq.receives, file, "[rf] device_args")
        yield Claim("sample rate", zmq.rate, file, "[rf] device_args: base_srate")


def _nrue(folder: Folder, ue: UeConfig) -> Iterator[Claim]:
    file = f"ue/{ue.name}.conf"
    text = _bare(folder.texts.get(file, ""))
    for topic, name in ((f"IMSI of {ue.name}", "imsi"), (f"key of {ue.imsi}", "key"),
                        (f"OPc of {ue.imsi}", "opc")):
        found = re.search(rf'\b{name}\s*=\s*"([^"]*)"', text)
        yield Claim(topic, _lower(found[1]) if found else None, file, name)
    listed = re.search(r"pdu_sessions\s*=\s*\((.*)\)", text, re.DOTALL)
    said = None
    if listed:
        names = re.findall(r'dnn\s*=\s*"([^"]*)"', listed[1])
        slices = _libconfig(listed[1], "nssai_sst", "nssai_sd")
        said = tuple(sorted((str(one), name) for one, name in zip(slices, names, strict=False)))
    yield Claim(f"sessions of {ue.imsi}", said, file, "pdu_sessions")
    unit = f"systemd/airsplit-{folder.site.name}-ue-{ue.name}.service"
    for place, begin in ((file, "#   "), (unit, "ExecStart=")):
        command = " ".join(re.findall(rf"(?m)^{begin}(.*?)\\?$", folder.texts.get(place, "")))
        if command:
            yield from _nrue_command(folder, ue, place, command)


def _nrue_command(folder: Folder, ue: UeConfig, file: str, command: str) -> Iterator[Claim]:
    def said(option: str) -> str | None:
        found = re.search(rf"(?<!\S){re.escape(option)} (\S+)", command)
        return found[1] if found else None

    for option, topic in _OAI_OPTIONS.items():
        yield Claim(topic, number(said(option)), file, f"the command: {option}")
    if folder.site.gnb.radio is Radio.RFSIM:
        yield Claim(f"{ue.name}'s way to the gNB", said(_OAI_SERVER), file,
                    f"the command: {_OAI_SERVER}")


def _radio(folder: Folder) -> Iterator[Claim]:
    yield Claim("sample rate", _rate(folder.at(RADIO, "rate"), 1), RADIO, "rate")
    for cell in folder.items(RADIO, "cells"):
        yield Claim("gNB transmits", cell.get("transmits"), RADIO, "cells")
        yield Claim("gNB receives", cell.get("receives"), RADIO, "cells")
    stations = {str(one.get("name")): one for one in folder.items(RADIO, "ues")}
    for ue in facts.srsues(folder.site):
        found = stations.get(ue.name.replace("-", "_"), {})
        yield Claim(f"{ue.name} transmits", found.get("transmits"), RADIO, "ues")
        yield Claim(f"{ue.name} receives", found.get("receives"), RADIO, "ues")


def _xapp(folder: Folder) -> Iterator[Claim]:
    file, top = (OSC, ("controls",)) if OSC in folder.documents else (XAPP, ())
    if file not in folder.documents:
        return
    site = folder.site
    slices: list[Snssai | None] = []
    for one in _listed(folder.at(file, *top, "ran", "slices")):
        try:
            slices.append(Snssai.parse(str(one)))
        except ConfigurationError:
            slices.append(None)
    yield Claim("slices", sorted_slices(slices), file, "ran.slices")
    yield Claim("loop period", folder.at(file, *top, "ran", "period_ms"), file, "ran.period_ms")
    yield Claim("plmn", folder.at(file, *top, "plmn"), file, "plmn")
    if facts.has_core(site):
        for name in ("smf", "amf"):
            url = folder.at(file, *top, "ue_map", name)
            yield Claim(f"information API of the {name.upper()}",
                        str(url).removeprefix("http://") if url else None, file, f"ue_map.{name}")
    if site.gnb.srs:
        node = next(iter(folder.items(file, *top, "ran", "nodes")), {})
        yield Claim("metrics period", node.get("renewal_ms"), file, "ran.nodes[0].renewal_ms")
        url = node.get("remote")
        yield Claim("remote control", str(url).removeprefix("ws://") if url else None, file,
                    "ran.nodes[0].remote")


def _decimal(item: Mapping[str, Any]) -> Snssai | None:
    """A slice with its SD as a number."""
    sd = item.get("sd")
    return snssai(item.get("sst"), None if sd is None else number(sd), sd is not None)


def _libconfig(text: str, sst: str, sd: str) -> list[Snssai | None]:
    found = []
    for part in re.findall(r"\{(.*?)\}", text, re.DOTALL):
        type_ = re.search(rf"\b{sst}\s*=\s*(\w+)", part)
        more = re.search(rf"\b{sd}\s*=\s*(\w+)", part)
        value = number(more[1]) if more else None
        if value == claims_core.NO_SD:
            more, value = None, None
        found.append(snssai(type_[1] if type_ else None, value, more is not None))
    return found


def _zmq(arguments: Any) -> _Zmq:
    found: Mapping[str, str] = dict(_PORTS.findall(str(arguments)))
    return _Zmq(found.get("tx_port"), found.get("rx_port"), _rate(found.get("base_srate"), 1))


def _rate(value: Any, unit: float) -> float | None:
    try:
        return round(float(value) * unit, 3)
    except (TypeError, ValueError):
        return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _lower(value: Any) -> str | None:
    return None if value is None else str(value).lower()


def _bare(text: str) -> str:
    """Without comments."""
    return re.sub(r"(?m)(#|//).*$", "", text)


