"""Subscriber entries for Open5GS: a UE's slices, each with its DNN, as a script or as documents.

    print(script(site))           # mongosh enters them, or brings them up to date
    print(mongo(site))            # mongoimport --jsonArray
    entered(text)                 # the documents in a script, as it was edited since

The script may be run again: what is entered already and is as the site says stays untouched, and so
does what the network writes there itself (sequence numbers, where a UE was seen). Keys are in the
clear in both, as Open5GS keeps them. Neither knows what a database holds.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from testbed.deploy.errors import DeployError
from testbed.deploy.facts import sessions
from testbed.deploy.promotion import PROMOTED_5QI
from testbed.deploy.site import INSTALLED, SiteConfig, SliceConfig

IPV4, IPV6 = 1, 2
GBIT = {"value": 1, "unit": 3}
ONCE = ("msisdn", "imeisv", "mme_host", "mme_realm", "purge_flag", "__v")  # then the network's
_BEGIN, _END = "const subscribers =", ";\nconst once ="
_COMMANDS = """
for (const one of subscribers) {
  const always = {}, first = {};
  for (const [name, value] of Object.entries(one)) {
    if (once.includes(name)) first[name] = value;
    else if (name === "security")  // beside the key is the sequence number, which is not ours
      for (const [part, secret] of Object.entries(value)) always["security." + part] = secret;
    else if (name !== "imsi") always[name] = value;
  }
  const done = db.subscribers.updateOne(
    {imsi: one.imsi}, {$set: always, $setOnInsert: first}, {upsert: true});
  print(one.imsi + (done.upsertedCount ? " entered" : done.modifiedCount ? " changed"
                    : " is there already"));
}
"""


def script(site: SiteConfig) -> str:
    """It enters all of them, or changes entries into what the site says."""
    lines = [
        "#!/usr/bin/env bash",
        f"# Subscribers of {site.name} for Open5GS's database; it may be run again at any time.",
        "#",
        f"#   sudo {INSTALLED}/{site.name}/subscribers.sh",
        "#",
        "# mongosh comes with MongoDB. Where there is none, take subscribers.json, which has UEs",
        "# begin their sequence numbers anew:",
        f"#   sudo mongoimport --uri {site.core.database} -c subscribers --jsonArray \\",
        f"#     --mode upsert --upsertFields imsi {INSTALLED}/{site.name}/subscribers.json",
        "set -euo pipefail",
        f"DATABASE={shlex.quote(site.core.database)}",
        "command -v mongosh >/dev/null || { echo 'subscribers.sh: there is no mongosh here:' \\",
        "  'install it, or enter subscribers.json with mongoimport.' >&2; exit 1; }",
        "COMMANDS=$(mktemp --suffix=.js)  # a file of one's own: others see a program's arguments",
        "trap 'rm -f \"$COMMANDS\"' EXIT",
        "cat >\"$COMMANDS\" <<'JAVASCRIPT'",
        f"{_BEGIN} {json.dumps(documents(site), indent=1)}{_END} {json.dumps(ONCE)};"
        f"{_COMMANDS}JAVASCRIPT",
        'mongosh --quiet --norc "$DATABASE" --file "$COMMANDS" </dev/null']
    return "\n".join(lines) + "\n"


def parted(text: str) -> tuple[str, str]:
    """A script's documents, and everything around them; a DeployError where there are none."""
    head, begin, rest = text.partition(_BEGIN)
    written, end, tail = rest.partition(_END)
    if not begin or not end:
        raise DeployError(f"It has no line with `{_BEGIN}` and documents: render it again.")
    return written, head + begin + end + tail


def entered(text: str) -> Any:
    """The documents that a script enters, whatever they have become."""
    try:
        return json.loads(parted(text)[0])
    except (ValueError, RecursionError) as wrong:
        raise DeployError(f"Its documents are no JSON: {wrong}.") from None


def mongo(site: SiteConfig) -> str:
    """A JSON array of documents."""
    return json.dumps(documents(site), indent=2) + "\n"


def documents(site: SiteConfig) -> list[dict[str, Any]]:
    """As Open5GS's web interface writes them."""
    found = []
    for ue in site.ues:
        slices: dict[str, dict[str, Any]] = {}
        for one in sessions(site, ue):
            entry = slices.setdefault(str(one.slice), {
                "sst": one.sst, **({} if one.sd is None else {"sd": one.sd}),
                "default_indicator": True, "session": []})
            entry["session"].append(_session(one))
        found.append({
            "schema_version": 1, "imsi": ue.imsi, "msisdn": [], "imeisv": [], "mme_host": [],
            "mme_realm": [], "purge_flag": [], "slice": list(slices.values()),
            "security": {"k": ue.key, "op": None, "opc": ue.opc, "amf": "8000"},
            "ambr": {"downlink": GBIT, "uplink": GBIT}, "access_restriction_data": 32,
            "network_access_mode": 0, "subscriber_status": 0, "subscribed_rau_tau_timer": 12,
            "__v": 0})
    return found


def _session(one: SliceConfig) -> dict[str, Any]:
    return {"name": one.dnn, "type": IPV6 if one.subnet.version == 6 else IPV4,
            "qos": _qos(one.five_qi, 8),
            "ambr": {"downlink": GBIT, "uplink": GBIT},
            # Without a rule of its 5QI the PCF refuses an application's session. No flow: the
            # application says which.
            "pcc_rule": [{"qos": {**_qos(PROMOTED_5QI, 6),
                                  "mbr": {"downlink": GBIT, "uplink": GBIT},
                                  "gbr": {"downlink": {"value": 1, "unit": 2},
                                          "uplink": {"value": 1, "unit": 2}}},
                          "flow": []}]}


def _qos(index: int, priority: int) -> dict[str, Any]:
    return {"index": index, "arp": {"priority_level": priority, "pre_emption_capability": 1,
                                    "pre_emption_vulnerability": 2 if priority == 8 else 1}}
