"""A rendered folder, as it was edited since, against its site and against itself.

    for finding in folder_findings(Path("lab")): print(finding)

What a file claims has to be what the site says; schemas say what a file may hold at all; rules that
are no comparison (flags, periods, devices that nobody makes) are in `check_rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from testbed.deploy.check_rules import rule_findings
from testbed.deploy.check_site import site_findings
from testbed.deploy.check_subscribers import subscriber_findings
from testbed.deploy.claim import Claim
from testbed.deploy.claims import claims, site_claims
from testbed.deploy.findings import Finding, error
from testbed.deploy.folder import Folder, read
from testbed.deploy.render import Form, rendered
from testbed.deploy.schemas import schema_findings
from xapp.errors import ConfigurationError
from xapp.observations import Snssai


def folder_findings(path: Path) -> list[Finding]:
    """All of them; a DeployError where there is no site."""
    folder, findings = read(path)
    findings += site_findings(folder.site)
    try:
        wanted = site_claims(folder.site)
    except ConfigurationError:
        return findings  # no such carrier, which the site's findings say
    findings += _missing(folder)
    findings += schema_findings(folder)
    findings += differing(claims(folder), wanted, folder)
    findings += rule_findings(folder)
    findings += subscriber_findings(folder)
    return findings


def differing(found: Iterator[Claim], wanted: Mapping[str, Any],
              folder: Folder) -> Iterator[Finding]:
    """Claims that are not what the site says; one of a file that is missing is not repeated."""
    for claim in found:
        if claim.file not in folder.texts:
            continue
        if claim.topic not in wanted:
            yield error(claim.key, f"{claim.topic} is not in the site.",
                        "Take it out, or describe it in the site.", claim.file)
        elif _plain(claim.value) != _plain(wanted[claim.topic]):
            yield _difference(claim, wanted[claim.topic])


def _difference(claim: Claim, wanted: Any) -> Finding:
    said = "nothing" if claim.value is None else _shown(claim.value)
    hint = _mixed(claim.value, wanted)
    remedy = f"Write {_shown(wanted)} here, or change the site and render again."
    return error(claim.key, f"{claim.topic}: {said} here, {_shown(wanted)} in the site.{hint}",
                 remedy, claim.file)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else value


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(" ".join(one) if isinstance(one, tuple) else str(one)
                         for one in value) or "none"
    if isinstance(value, float):
        return f"{value / 1e6:g}e6"
    return "none" if value is None else str(value)


def _mixed(value: Any, wanted: Any) -> str:
    """Whether a differentiator was written in the other base."""
    if not isinstance(value, tuple) or not isinstance(wanted, tuple):
        return ""
    for one in _differentiators(value) - _differentiators(wanted):
        for other in _differentiators(wanted) - _differentiators(value):
            digits = f"{one:x}"
            if digits.isdecimal() and int(digits) == other:
                return f" SD {other:#x} is written in decimal where hexadecimal digits are read."
            if int(str(one), 16) == other:
                return f" SD {other:#x} is in hexadecimal digits where a decimal number is read."
    return ""


def _differentiators(value: tuple[Any, ...]) -> set[int]:
    found = set()
    for one in value:
        try:
            slice_ = Snssai.parse(one[0] if isinstance(one, tuple) else str(one))
        except ConfigurationError:
            continue
        if slice_.sd is not None:
            found.add(slice_.sd)
    return found


def _missing(folder: Folder) -> Iterator[Finding]:
    form = Form.COMPOSE if "compose/compose.yaml" in folder.texts else Form.BARE
    for name in rendered(folder.site, form):
        if name not in folder.texts and not name.endswith(".md"):
            yield error("the file", "is not there, and the site needs it.", "Render it again.",
                        name)
