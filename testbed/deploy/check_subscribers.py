"""Whether subscribers may have flows promoted: the rule that Open5GS's PCF asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from testbed.deploy.claims_core import COMMANDS, SUBSCRIBERS
from testbed.deploy.findings import Finding, warning
from testbed.deploy.folder import Folder
from testbed.deploy.promotion import PROMOTED_5QI

RENDER = "Render it again, or add a pcc_rule with qos.index of that 5QI."


def subscriber_findings(folder: Folder) -> Iterator[Finding]:
    """A warning for each session without the rule: the PCF answers 403 to whoever promotes."""
    why = f"has no PCC rule of 5QI {PROMOTED_5QI}: the PCF promotes no flow of it (403)."
    for one in _mappings(folder.documents.get(SUBSCRIBERS)):
        for part in _mappings(one.get("slice")):
            for session in _mappings(part.get("session")):
                if PROMOTED_5QI not in _rules(session):
                    yield warning(f"{one.get('imsi')}: {session.get('name')}", why, RENDER,
                                  SUBSCRIBERS)
    script = folder.texts.get(COMMANDS)
    if script is not None and "pcc_rule" not in script:
        yield warning("mongosh", why, "Render it again, or enter subscribers.json.", COMMANDS)


def _rules(session: Mapping[str, Any]) -> list[Any]:
    found = []
    for rule in _mappings(session.get("pcc_rule")):
        qos = rule.get("qos")
        found.append(qos.get("index") if isinstance(qos, Mapping) else None)
    return found


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
