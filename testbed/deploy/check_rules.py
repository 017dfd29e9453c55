"""Rules of a rendered folder that are no comparison: flags, periods, devices, ports, programs.

Pure: `folder` has read everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from testbed.deploy import facts
from testbed.deploy.claim import number
from testbed.deploy.claims import GNB, OAI_GNB, OSC, XAPP
from testbed.deploy.findings import Finding, error, warning
from testbed.deploy.folder import Folder
from testbed.deploy.site import INSTALLED, GnbKind, Radio, RicKind
from xapp.config import XappConfig
from xapp.config_reading import build
from xapp.errors import XappError
from xapp.ric.address import Address

UPF, SMF, PCF = "open5gs/upf.yaml", "open5gs/smf.yaml", "open5gs/pcf.yaml"
NET = "net/core-net.sh"
_FLAGS = ((error, "enable_du_e2", "the DU reports nothing and takes no quota"),
          (warning, "enable_cu_cp_e2", "UEs have no names that the core knows, and no handover"),
          (error, "e2sm_kpm_enabled", "there are no reports"),
          (warning, "e2sm_rc_enabled", "there are no controls of UEs"))


def rule_findings(folder: Folder) -> list[Finding]:
    found: list[Finding] = []
    if GNB in folder.documents:
        found += [*_e2(folder), *_names(folder), *_ratios(folder), *_metrics(folder)]
    if OAI_GNB in folder.texts and "e2_agent" not in folder.texts[OAI_GNB]:
        found.append(error("e2_agent", "is missing: the gNB looks for no RIC.",
                           "Render it again.", OAI_GNB))
    return [*found, *_xapp(folder), *_core(folder), *_ways(folder), *_programs(folder)]


def _e2(folder: Folder) -> Iterator[Finding]:
    for say, name, why in _FLAGS:
        if folder.at(GNB, "e2", name) is not True:
            yield say(f"e2.{name}", f"is not on: {why}.", f"Write {name}: true.", GNB)
    cu_up = folder.at(GNB, "e2", "enable_cu_up_e2") is True
    if cu_up and folder.site.ric.kind is RicKind.FLEXRIC:
        yield error("e2.enable_cu_up_e2", "is on, and FlexRIC was seen to end when a CU-UP sets "
                    "up.", "Write enable_cu_up_e2: false.", GNB)


def _names(folder: Folder) -> Iterator[Finding]:
    """OCUDU's keys are those of srsRAN in the plural."""
    ocudu = folder.site.gnb.kind is GnbKind.OCUDU
    strange, right = ("", "s") if ocudu else ("s", "")
    for section in (("cu_cp", "amf"), ("e2",)):
        for name in ("addr", "bind_addr"):
            if folder.at(GNB, *section, f"{name}{strange}") is not None:
                yield error(f"{'.'.join(section)}.{name}{strange}",
                            f"is no key of {folder.site.gnb.kind.value}.",
                            f"Write {name}{right}.", GNB)


def _ratios(folder: Folder) -> Iterator[Finding]:
    ccc = folder.at(GNB, "e2", "e2sm_ccc_enabled") is True
    if ccc and folder.site.gnb.kind is GnbKind.SRSRAN:
        yield warning("e2.e2sm_ccc_enabled", "valid CCC controls were seen to hang srsRAN's DU.",
                      "Write false.", GNB)
    for at, one in enumerate(folder.items(GNB, "cell_cfg", "slicing")):
        key = f"cell_cfg.slicing[{at}].sched_cfg"
        least, most, own = (
            number(folder.at(GNB, "cell_cfg", "slicing", at, "sched_cfg", name))
            for name in ("min_prb_policy_ratio", "max_prb_policy_ratio", "ded_prb_policy_ratio"))
        least, most = least or 0, 100 if most is None else most
        if own == 0 or (ccc and own is None):
            yield error(f"{key}.ded_prb_policy_ratio", f"is 0 for slice {one.get('sst')}: the gNB "
                        "takes 1 to 100, and CCC refuses 0.",
                        "Give 1 or more." if ccc else "Leave it out.", GNB)
        if not (own or 0) <= least <= most:
            yield error(key, f"dedicated {own or 0}, minimum {least}, maximum {most}: each has to "
                        "be within the next.", "Correct them.", GNB)


def _metrics(folder: Folder) -> Iterator[Finding]:
    period = number(folder.at(GNB, "metrics", "periodicity", "du_report_period"))
    loop = number(folder.at(XAPP, "ran", "period_ms"))
    if period is None:
        yield error("metrics.periodicity.du_report_period", "is not set, and 1000 ms is the "
                    "default: KPM repeats what is older.", "Write it.", GNB)
    elif loop is not None and period > loop:
        yield error("metrics.periodicity.du_report_period", f"{period} ms is longer than the "
                    f"xApp's ran.period_ms of {loop}: reports repeat stale values.",
                    f"Give at most {loop}.", GNB)
    rate = folder.at(GNB, "ru_sdr", "srate")
    width = number(folder.at(GNB, "cell_cfg", "channel_bandwidth_MHz"))
    if folder.site.gnb.radio is not Radio.DUMMY and isinstance(rate, int | float) and width:
        widest = facts.RATES.get(round(rate * 1e6, 3))
        if widest is None or widest < width:
            yield error("ru_sdr.srate", f"{rate:g} is no rate for {width} MHz.",
                        "Give the carrier's, such as 11.52 for 10 and 23.04 for 20 MHz.", GNB)


def _xapp(folder: Folder) -> Iterator[Finding]:
    file = OSC if OSC in folder.documents else XAPP
    document = folder.at(file, *(("controls",) if file == OSC else ()))
    if not isinstance(document, dict):
        return
    try:
        config = build(XappConfig, document)
    except XappError as wrong:
        yield error("the configuration", wrong.problem, wrong.remedy, file)
        return
    if file == XAPP and not any(_reaches(one, folder) for one in config.listen):
        ric = folder.site.ric
        yield error("listen", f"nobody listens at {ric.address}:{ric.port}, where the gNB goes.",
                    "Write that address.", file)
    told = {(interface, port) for interface, _, port in folder.site.taps}
    ports = {one.address.rpartition(":")[2] for one in config.taps}
    for interface, port in sorted(told):
        if facts.has_core(folder.site) and str(port) not in ports:
            yield error("taps", f"the tap at {interface} publishes at port {port}, and the xApp "
                        "does not listen to it.", "Add it.", file)


def _reaches(address: Address, folder: Folder) -> bool:
    return (address.port == folder.site.ric.port
            and address.host in (folder.site.ric.address, "0.0.0.0", "::"))


def _core(folder: Folder) -> Iterator[Finding]:
    if not facts.has_core(folder.site):
        return
    script = folder.texts.get(NET, "")
    for at, one in enumerate(folder.items(UPF, "upf", "session")):
        device = one.get("dev")
        if device is None:
            yield error(f"upf.session[{at}]", f"DNN {one.get('dnn')} has no TUN device of its own: "
                        "its traffic goes to ogstun, and the N6 tap does not see it.",
                        "Write dev: DEVICE.", UPF)
        elif not re.search(rf"^\s*ip link set {re.escape(str(device))} ", script, re.MULTILINE):
            yield error(f"upf.session[{at}].dev", f"nobody makes the device {device}.",
                        f"Make it in {NET}.", UPF)
    served = [one.get("dnn") for one in folder.items(UPF, "upf", "session")]
    for at, one in enumerate(folder.items(SMF, "smf", "session")):
        if one.get("dnn") not in served:
            yield error(f"smf.session[{at}]", f"DNN {one.get('dnn')} has no session at the UPF.",
                        "Add it there, with a TUN device.", SMF)


def _ways(folder: Folder) -> Iterator[Finding]:
    script = folder.texts.get(NET, "")
    for name, way in facts.ways(folder.site).items():
        made = (f"ip address replace {way.gnb}/30 dev {way.device}\n",
                f"ip -n {way.namespace} address replace {way.ue}/30 dev to-gnb\n")
        if NET in folder.texts and not all(one in script for one in made):
            yield error(f"the way of {name}", f"nobody gives {way.gnb} and {way.ue} to its ends: "
                        "the UE does not reach the RF simulator.", "Render it again.", NET)


def _programs(folder: Folder) -> Iterator[Finding]:
    """Files that units and containers name have to be in the folder."""
    prefix = f"{INSTALLED}/{folder.site.name}/"
    for name, text in folder.texts.items():
        if not name.startswith(("systemd/", "compose/")):
            continue
        bare = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        for found in sorted(set(re.findall(rf"{re.escape(prefix)}([\w./-]+)", bare))):
            if found not in folder.texts:
                yield error("the command", f"names {found}, which is not in this folder.",
                            "Correct the name, or render again.", name)
