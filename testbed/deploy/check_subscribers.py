"""Whether subscribers are what the site's UEs need: default slices, 5QIs, the rule of promotion.

Pure. Who is entered, with which keys, slices and DNNs is compared with the site in `claims_core`;
here is what no other file speaks of. It looks at both files that enter subscribers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from testbed.deploy.claims_core import SCRIPT, subscriber_documents
from testbed.deploy.errors import DeployError
from testbed.deploy.facts import has_core
from testbed.deploy.findings import Finding, error, warning
from testbed.deploy.folder import Folder
from testbed.deploy.promotion import PROMOTED_5QI
from testbed.deploy.subscribers import entered, parted, script

RENDER = "Render it again, or add a pcc_rule with qos.index of that 5QI."


def subscriber_findings(folder: Folder) -> Iterator[Finding]:
    """Errors of entries, and a warning where the script's commands are no longer those rendered."""
    if not has_core(folder.site):
        return
    yield from _script(folder)
    for file, document in subscriber_documents(folder):
        if not isinstance(document, list):
            yield error("the documents", "are no list.", "Render it again.", file)
        for entry in _mappings(document):
            yield from _entry(folder, entry, file)


def _script(folder: Folder) -> Iterator[Finding]:
    text = folder.texts.get(SCRIPT)
    if text is None:
        return
    try:
        entered(text)
    except DeployError as wrong:
        yield error("the documents", str(wrong), "Render it again.", SCRIPT)
        return
    if parted(text)[1] != parted(script(folder.site))[1]:
        yield warning("the commands", "are not those that were rendered: what they do with the "
                      "documents is not checked.", "Render it again, unless you meant it.", SCRIPT)


def _entry(folder: Folder, entry: Mapping[str, Any], file: str) -> Iterator[Finding]:
    imsi = entry.get("imsi")
    for part in _mappings(entry.get("slice")):
        name = f"{imsi}: slice {part.get('sst')} {part.get('sd') or ''}".rstrip()
        if part.get("default_indicator") is not True:
            yield error(name, "is no default: a UE that asks for no slice, as OAI's does, does not "
                        "get it.", "Write default_indicator: true.", file)
        for session in _mappings(part.get("session")):
            yield from _session(folder, session, f"{imsi}: {session.get('name')}", file)


def _session(folder: Folder, session: Mapping[str, Any], key: str,
             file: str) -> Iterator[Finding]:
    named = folder.site.slice_of(str(session.get("name")))
    said = _index(session)
    if named is not None and said != named.five_qi:
        yield error(f"{key}: qos.index", f"is {said}, and the site's slice has 5QI "
                    f"{named.five_qi}.", f"Write {named.five_qi}.", file)
    rules = [_index(rule) for rule in _mappings(session.get("pcc_rule"))]
    if PROMOTED_5QI not in rules:
        yield error(key, f"has no PCC rule of 5QI {PROMOTED_5QI}: the PCF promotes no flow of it "
                    "(403).", RENDER, file)


def _index(holder: Mapping[str, Any]) -> Any:
    qos = holder.get("qos")
    return qos.get("index") if isinstance(qos, Mapping) else None


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
