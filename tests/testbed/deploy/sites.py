"""Sites to try things on, and a folder that is rendered of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from testbed.deploy.check_folder import folder_findings
from testbed.deploy.findings import Finding
from testbed.deploy.render import Form, rendered, write
from testbed.deploy.site import SiteConfig, load

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "site.yaml"
KEYS = "key: 465b5ce8b199b49faa5f0a2ee238a6bc, opc: e8ed289deba952e4283b54e88e6183ca"
SLICES = """
slices:
  - {slice: "1-000001", dnn: internet, subnet: 10.45.0.0/16, device: ogstun, dedicated: 2,
     minimum: 4}
  - {slice: 1-000010, dnn: llm, subnet: 10.46.0.0/16, device: ogstun-llm, minimum: 10,
     dedicated: 5}
"""
TEXTS = {
    "ocudu": f"""
gnb: {{kind: ocudu, bandwidth_mhz: 20, sample_rate: 23.04e6}}
{SLICES}
ues:
  - {{name: one, imsi: "001010000000001", {KEYS}, dnns: [llm]}}
  - {{name: two, imsi: "001010000000002", {KEYS}, dnns: [internet]}}
tap: {{place: n3, interface: lo}}
""",
    "usrp": f"""
gnb: {{kind: srsran, radio: usrp, band: 78, arfcn: 632628, spacing_khz: 30, bandwidth_mhz: 20,
      address: 192.0.2.2, clock: external}}
core: {{amf: 192.0.2.5, upf: 192.0.2.7, smf: 192.0.2.4}}
ric: {{kind: osc, address: 192.0.2.9, port: 32222, rans: [gnbd_001_001_00019b_0]}}
tap: {{address: 192.0.2.4}}
{SLICES}
ues:
  - {{name: phone, imsi: "001010000000001", {KEYS}, dnns: [internet, llm], kind: phone}}
""",
    "oai": f"""
gnb: {{kind: oai, radio: rfsim, band: 78, arfcn: 641280, spacing_khz: 30, bandwidth_mhz: 40}}
ric: {{kind: flexric}}
{SLICES}
ues:
  - {{name: phone, imsi: "001010000000001", {KEYS}, dnns: [internet, llm], kind: oai}}
""",
    "dummy": f"""
gnb: {{kind: ocudu, radio: dummy}}
{SLICES}
"""}


def example() -> SiteConfig:
    return load(EXAMPLE)


def site(folder: Path, name: str) -> SiteConfig:
    """One of `TEXTS`, a text itself, or the example."""
    return load(site_file(folder, name))


def site_file(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "site.yaml"
    file.write_text(name if "\n" in name else TEXTS.get(name) or EXAMPLE.read_text())
    return file


def lab(folder: Path, name: str = "example", form: Form = Form.BARE) -> Path:
    """A rendered folder with its site."""
    write(rendered(site(folder, name), form), folder)
    return folder


def edited(folder: Path, name: str, old: str, new: str) -> list[Finding]:
    """What is found once `old` in a file has become `new`."""
    file = folder / name
    text = file.read_text()
    assert old in text, f"{name} has no {old!r}"
    file.write_text(text.replace(old, new, 1))
    return folder_findings(folder)


def with_ue(found: SiteConfig, number: int = 0, **values: object) -> SiteConfig:
    ues = list(found.ues)
    ues[number] = replace(ues[number], **values)  # type: ignore[arg-type]  # a test's own values
    return replace(found, ues=tuple(ues))


def with_slice(found: SiteConfig, number: int = 0, **values: object) -> SiteConfig:
    slices = list(found.slices)
    slices[number] = replace(slices[number], **values)  # type: ignore[arg-type]  # as above
    return replace(found, slices=tuple(slices))
