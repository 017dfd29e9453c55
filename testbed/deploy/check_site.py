"""What contradicts what within a site: all of it at once, each with its remedy.

    for finding in site_findings(site): print(finding)

Pure. Radio and RIC have rules of their own in `check_radio`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from testbed.deploy import check_radio
from testbed.deploy.facts import has_core, loops, xapp_elsewhere
from testbed.deploy.findings import Finding, error, warning
from testbed.deploy.site import RicKind, SiteConfig, UeKind

NO_SD = 0xFFFFFF
NEAR_RT_MS = 1000  # a near-RT RIC's loop takes no longer
API_PORT = 8480  # the xApp's REST API


def site_findings(site: SiteConfig) -> list[Finding]:
    """All of them."""
    return [*_slices(site), *_quotas(site), *_ues(site), *_times(site), *_addresses(site),
            *_ports(site), *check_radio.radio_findings(site)]


def _slices(site: SiteConfig) -> Iterator[Finding]:
    for what, values in (("dnn", [one.dnn for one in site.slices]),
                         ("slice", [str(one.slice) for one in site.slices])):
        for value, times in Counter(values).items():
            if times > 1 and what == "dnn":
                yield error("slices", f"DNN {value} is that of {times} slices: SMF and UPF cannot "
                            "tell whose session it is.", "Give each slice a DNN of its own.")
            elif times > 1:
                yield warning("slices", f"{times} DNNs share slice {value}: its quota holds for "
                              "all of them together.", "Give the LLM's DNN a slice of its own.")
    for one in site.slices:
        if one.slice.sd == NO_SD:
            yield error(f"slices: {one.slice}", "SD ffffff means that there is none.",
                        f'Write slice: "{one.sst}".')
    for one, other in combinations(site.slices, 2):
        if one.subnet.version == other.subnet.version and one.subnet.overlaps(other.subnet):
            yield error(f"slices: {one.dnn}, {other.dnn}",
                        f"{one.subnet} and {other.subnet} overlap: two UEs may get one address.",
                        "Give them networks apart, as 10.45.0.0/16 and 10.46.0.0/16.")
    if site.slice_of(site.phone_dnn) is None:
        yield error("phone_dnn", f"No slice has DNN {site.phone_dnn}.",
                    f"Name one of {', '.join(one.dnn for one in site.slices)}.")


def _quotas(site: SiteConfig) -> Iterator[Finding]:
    for one in site.slices:
        if not 0 <= one.dedicated <= one.minimum <= one.maximum <= 100 or one.maximum < 1:
            yield error(f"slices: {one.slice}", f"a quota of {one.quota} is none: dedicated is "
                        "within the minimum, and that within the maximum.", "Correct them.")
        if site.gnb.ccc_on and one.dedicated == 0:
            yield error(f"slices: {one.slice}: dedicated", "is 0 with E2SM-CCC on, and the gNB "
                        "refuses a CCC control with 0.", "Give 1 or more (minimum too), or "
                        "ccc: false.")
    for what in ("minimum", "dedicated"):
        total = sum(getattr(one, what) for one in site.slices)
        if total > 100:
            yield error("slices", f"the slices' {what}s add up to {total} %.", "Lower them.")
    phone = site.slice_of(site.phone_dnn)
    if phone is not None and phone.minimum == 0:
        capped = [one for one in site.slices if one.maximum < 100 and one is not phone]
        if capped:
            yield warning(f"slices: {phone.slice}: minimum", "is 0 while others are capped: a "
                          "maximum for others guarantees this slice nothing.",
                          "Give it a minimum.")


def _ues(site: SiteConfig) -> Iterator[Finding]:
    for what, values in (("name", [one.name for one in site.ues]),
                         ("IMSI", [one.imsi for one in site.ues])):
        for value, times in Counter(values).items():
            if times > 1:
                yield error("ues", f"{times} UEs have the {what} {value}: the core takes the "
                            "second for the first.", f"Give each UE a {what} of its own.")
    for ue in site.ues:
        if not ue.imsi.startswith(site.plmn):
            yield error(f"ues: {ue.name}: imsi", f"{ue.imsi} does not begin with PLMN {site.plmn}: "
                        "the UE looks for another network.", "Correct one of them.")
        for dnn in ue.dnns:
            if site.slice_of(dnn) is None:
                yield error(f"ues: {ue.name}: dnns", f"no slice has DNN {dnn}: the SMF refuses "
                            "the session.", f"Name one of {', '.join(x.dnn for x in site.slices)}.")
        if ue.kind is UeKind.SRSUE and len(ue.dnns) > 1:
            yield error(f"ues: {ue.name}: dnns", "srsUE makes one PDU session, and has one NSSAI.",
                        "Use two UEs, OAI's UE, or a phone.")
    if has_core(site) and not site.ues:
        yield warning("ues", "there is none: nobody can register.", "Describe one.")


def _times(site: SiteConfig) -> Iterator[Finding]:
    if site.gnb.srs and site.metrics_ms > site.loop_ms:
        yield error("metrics_ms", f"the gNB's counters are refreshed every {site.metrics_ms} ms "
                    f"and reported every {site.loop_ms} ms: reports repeat stale values, and the "
                    "xApp judges effects that it has not seen.",
                    f"Give metrics_ms at most {site.loop_ms}.")
    if site.loop_ms > NEAR_RT_MS:
        yield warning("loop_ms", f"{site.loop_ms} ms is beyond a near-RT loop's second.",
                      "Give 10 to 1000.")


def _addresses(site: SiteConfig) -> Iterator[Finding]:
    taken: dict[str, str] = {}
    for name, address in site.core.addresses().items():
        if address in taken and has_core(site):
            yield error(f"core.{name}", f"has the address of {taken[address]}, and both bind port "
                        f"{site.core.sbi_port} there.", "Give each function an address.")
        taken.setdefault(address, name)
    pairs = [("gnb.address", "ric.address", site.gnb.address, site.ric.address)]
    if has_core(site):
        pairs += [("gnb.address", "core.amf", site.gnb.address, site.core.amf),
                  ("gnb.address", "core.upf", site.gnb.address, site.core.upf)]
        if site.gnb.address in taken and taken[site.gnb.address] == "upf":
            yield error("gnb.address", "is the UPF's: both bind GTP-U's port 2152 there.",
                        "Give the gNB another.")
    for key, other, address, peer in pairs:
        if loops(address) != loops(peer):
            yield error(key, f"{address} and {other} {peer} cannot reach each other: one of them "
                        "is a loopback address.", "Give both addresses of one network.")
    if xapp_elsewhere(site) and has_core(site):
        where, who = (("in the RIC's cluster", "pods reach") if site.ric.kind is RicKind.OSC
                      else (f"at {site.ric.address}", "it reaches"))
        for key, address in (("tap.address", site.tap.address), ("core.smf", site.core.smf),
                             ("core.amf", site.core.amf)):
            if loops(address):
                yield error(key, f"{address} is a loopback address, and the xApp is {where}.",
                            f"Give one that {who}.")


def _ports(site: SiteConfig) -> Iterator[Finding]:
    used: list[tuple[int, str]] = [
        (port, f"the tap at {interface}") for interface, _, port in site.taps]
    if site.gnb.srs and site.gnb.remote:
        used.append((site.gnb.remote_port, "gnb.remote_port"))
    used.append((API_PORT, "the xApp's API"))
    for port, times in Counter(port for port, _ in used).items():
        if times > 1:
            who = " and ".join(name for at, name in used if at == port)
            yield error("ports", f"{who} have port {port}.", "Give each a port of its own.")
