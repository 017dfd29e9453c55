"""A site's files: names and numbers from one description, one topic a file, its command on top.

    files = rendered(site, Form.BARE)      # {"gnb/gnb.yaml": "...", ...}
    write(files, Path("lab"))

Pure but for `write`. What contradicts what in a site is not looked at here.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from testbed.deploy import facts, subscribers
from testbed.deploy.errors import DeployError
from testbed.deploy.oai_carrier import carrier_of
from testbed.deploy.services import (
    AIRSPLIT_IMAGE,
    MONGO_IMAGE,
    START_ORDER,
    oai_ue_command,
    services,
    units,
)
from testbed.deploy.site import INSTALLED, GnbKind, Radio, RicKind, SiteConfig
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_descriptor import controls_schema, descriptor

TEMPLATES = Path(__file__).parent / "templates"
Files = dict[str, str]


class Form(enum.Enum):
    """How the programs are run."""

    BARE = "bare"  # systemd units
    COMPOSE = "compose"  # Docker Compose, in the host's network


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
                       autoescape=False)  # of what is rendered, nothing is HTML


def rendered(site: SiteConfig, form: Form) -> Files:
    """Text by path within the folder."""
    prefix = f"{INSTALLED}/{site.name}"
    values = _values(site, prefix)

    def fill(template: str, **more: Any) -> str:
        text = _environment().get_template(template).render(values | more)
        return re.sub(r"\n{3,}", "\n\n", text).lstrip("\n").rstrip() + "\n"

    files: Files = {}
    if site.gnb.kind is GnbKind.OAI:
        values["carrier"] = carrier_of(site.gnb)
        files["gnb/gnb.conf"] = fill("oai/gnb.conf.j2")
    else:
        files["gnb/gnb.yaml"] = fill("gnb.yaml.j2")
    if facts.has_core(site):
        files |= {f"open5gs/{one}.yaml": _no_gaps(fill(f"open5gs/{one}.yaml.j2"))
                  for one in START_ORDER}
        files["net/phone-routes.sh"] = fill("phone-routes.sh.j2")
        files["subscribers.sh"] = subscribers.script(site)
        files["subscribers.json"] = subscribers.mongo(site)
    files["net/core-net.sh"] = fill("core-net.sh.j2")
    files |= _ue_files(site, prefix, fill)
    files |= _ric_files(site, fill)
    if site.gnb.radio is Radio.ZMQ:
        files["radio/radio.yaml"] = fill("radio.yaml.j2", stations=[
            {"name": one.name.replace("-", "_"), "tx": facts.ue_places(number)[0],
             "rx": facts.ue_places(number)[1]}
            for number, one in enumerate(facts.srsues(site))])
    if form is Form.BARE:
        files |= {f"systemd/{one.name}": fill("unit.service.j2", unit=one)
                  for one in units(site, prefix)}
    else:
        found = services(site, prefix)
        public = [one for one in (site.core.image, MONGO_IMAGE) if facts.has_core(site)]
        files["compose/compose.yaml"] = fill(
            "compose.yaml.j2", services=found, public=public,
            own=sorted({one.image for one in found} - set(public)))
        files["compose/airsplit.Dockerfile"] = fill("airsplit.Dockerfile.j2",
                                                    airsplit_image=AIRSPLIT_IMAGE)
    steps = list(_steps(site, form, prefix))
    files["README.md"] = fill("README.md.j2", steps=steps,
                              apart=any("# at " in one for one in steps))
    return files


def write(files: Mapping[str, str], folder: Path) -> None:
    """Into a new or empty folder, or over what was rendered before."""
    for name, text in files.items():
        place = folder / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
            keys = name.startswith(("ue/", "subscribers"))
            if name.endswith(".sh"):
                place.chmod(0o700 if keys else 0o755)
            elif keys:
                place.chmod(0o600)
        except OSError as error:
            raise DeployError(f"{place} cannot be written: {error.strerror}.") from error


def _values(site: SiteConfig, prefix: str) -> dict[str, Any]:
    ocudu = site.gnb.kind is GnbKind.OCUDU
    e2 = "true" if site.gnb.e2 else "false"
    subnet = site.slice_of(site.phone_dnn)
    remote = facts.remote_place(site)
    return {
        "site": site, "prefix": prefix, "core": facts.has_core(site), "e2": e2,
        "addr": "addrs" if ocudu else "addr", "bind": "bind_addrs" if ocudu else "bind_addr",
        "remote": remote, "remote_host": (remote or facts.LOCAL).partition(":")[0],
        "elsewhere": facts.xapp_elsewhere(site),
        "cu_up": "false" if site.ric.kind is RicKind.FLEXRIC else e2,
        "ccc": "true" if site.gnb.ccc_on else "false",
        "pcap": "true" if site.gnb.pcap else "false",
        "srsue": bool(facts.srsues(site)), "rfsim": site.gnb.radio is Radio.RFSIM,
        "coreset0": facts.SRSUE_CORESET0.get(site.gnb.bandwidth_mhz, 12),
        "prbs": facts.blocks(site.gnb), "rate": f"{site.gnb.sample_rate / 1e6:g}e6",
        "msps": f"{site.gnb.sample_rate / 1e6:g}", "profile": facts.PROFILES[site.gnb.kind],
        "gnb_tx": facts.GNB_PLACES[0], "gnb_rx": facts.GNB_PLACES[1],
        "control": f"ipc:///tmp/airsplit-{site.name}.control",
        "devices": [(one.device, one.subnet, one.gateway) for one in site.slices],
        "ways": facts.ways(site), "namespaces": facts.namespaces(site),
        "phones": facts.phones(site), "gateway": "EDGE" if subnet is None else subnet.gateway,
        "subnet": "no network" if subnet is None else subnet.subnet}


def _ue_files(site: SiteConfig, prefix: str, fill: Any) -> Files:
    files: Files = {}
    for number, one in enumerate(facts.srsues(site)):
        found = facts.sessions(site, one)
        if found:
            transmits, receives = facts.ue_places(number)
            files[f"ue/{one.name}.conf"] = fill("srsue.conf.j2", ue=one, session=found[0],
                                                ue_tx=transmits, ue_rx=receives)
    for one in facts.oai_ues(site):
        files[f"ue/{one.name}.conf"] = fill("oai/nrue.conf.j2", ue=one,
                                            sessions=facts.sessions(site, one),
                                            command=oai_ue_command(site, prefix, one))
    return files


def _ric_files(site: SiteConfig, fill: Any) -> Files:
    if site.ric.kind is RicKind.FLEXRIC:
        return {"flexric/flexric.conf": fill("flexric.conf.j2")}
    if site.ric.kind is RicKind.XAPP:
        return {"xapp/xapp.yaml": fill("xapp.yaml.j2")}
    document = descriptor(OscConfig())
    node: dict[str, Any] = {"name": "*", "profile": facts.PROFILES[site.gnb.kind]}
    if site.gnb.srs:
        node["renewal_ms"] = site.metrics_ms
    if (remote := facts.remote_place(site)) is not None:
        node["remote"] = f"ws://{remote}"
    document["controls"] = {
        "osc": {"rans": list(site.ric.rans)} if site.ric.rans else {},
        "store": f"{site.state}/xapp.db", "plmn": site.plmn,
        "taps": [{"address": f"tcp://{site.tap.address}:{port}"} for _, _, port in site.taps],
        "ran": {"slices": [str(one.slice) for one in site.slices], "period_ms": site.loop_ms,
                "nodes": [node]},
        "steering": {"found": {str(one.slice): {
            "minimum": one.minimum, "maximum": one.maximum, "dedicated": one.dedicated}
            for one in site.slices}}}
    if facts.has_core(site):
        document["controls"]["ue_map"] = {
            name: f"http://{getattr(site.core, name)}:{site.core.metrics_port}"
            for name in ("smf", "amf")}
    return {"osc/config-file.json": json.dumps(document, indent=2) + "\n",
            "osc/schema.json": json.dumps(controls_schema(), indent=2) + "\n"}


def _steps(site: SiteConfig, form: Form, prefix: str) -> Iterator[str]:
    """The commands of a start, in order."""
    if form is Form.COMPOSE:
        if any(one.image == AIRSPLIT_IMAGE for one in services(site, prefix)):
            yield (f"docker build -t {AIRSPLIT_IMAGE} -f {prefix}/compose/airsplit.Dockerfile "
                   "CHECKOUT      # of airsplit")
        yield f"sudo {prefix}/net/core-net.sh up"
        yield f"docker compose -f {prefix}/compose/compose.yaml up -d"
        if facts.has_core(site):
            yield f"sudo {prefix}/subscribers.sh"
        for one in facts.srsues(site):
            yield f"sudo srsue {prefix}/ue/{one.name}.conf"
        for one in facts.oai_ues(site):
            yield "sudo " + " ".join(oai_ue_command(site, prefix, one))
        yield from _onboarding(site, prefix)
        return
    if facts.has_core(site):
        yield f"sudo {prefix}/subscribers.sh"
    yield f"sudo cp {prefix}/systemd/*.service /etc/systemd/system/"
    yield "sudo systemctl daemon-reload"
    for unit in units(site, prefix):
        yield f"sudo systemctl start {unit.name}" + (f"      # at {unit.at}" if unit.at else "")
    for one in facts.oai_ues(site):
        if one.name not in facts.ways(site):
            yield "sudo " + " ".join(oai_ue_command(site, prefix, one))
    yield from _onboarding(site, prefix)


def _onboarding(site: SiteConfig, prefix: str) -> Iterator[str]:
    if site.ric.kind is RicKind.OSC:
        yield f"dms_cli onboard {prefix}/osc/config-file.json {prefix}/osc/schema.json"
        yield "dms_cli install airsplit 0.1.0 ricxapp"


def _no_gaps(text: str) -> str:
    """Macros leave empty lines; one file of a function has none after its head."""
    return re.sub(r"\n\n+", "\n", text)
