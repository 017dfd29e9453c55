"""Subscriber entries for Open5GS: a UE's slices, each with its DNN, as commands or documents.

    print(dbctl(site))      # open5gs-dbctl add_ue_with_slice, update_slice
    print(mongo(site))      # mongoimport --jsonArray

Documents say more than open5gs-dbctl can: 5QI, both slices as default (OAI's UE asks for none, and
then gets those), and the PCC rule without which the PCF promotes no flow; the script has mongosh
write these into the entries that dbctl made. Keys are in the clear in both, as Open5GS keeps them.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from testbed.deploy.facts import sessions
from testbed.deploy.promotion import PROMOTED_5QI
from testbed.deploy.site import SiteConfig, SliceConfig

NO_SD = "ffffff"  # how Open5GS writes a slice without differentiator
IPV4 = 1
GBIT = {"value": 1, "unit": 3}


def dbctl(site: SiteConfig) -> str:
    """A script of commands."""
    lines = [
        "#!/usr/bin/env bash",
        f"# Subscribers of {site.name}; open5gs-dbctl comes with Open5GS (misc/db), mongosh with",
        "# MongoDB.",
        "#",
        "#   ./subscribers.sh",
        "#",
        "# Where there is no mongosh, take subscribers.json instead:",
        f"#   mongoimport --uri {site.core.database} -c subscribers --jsonArray \\",
        "#     --mode upsert --upsertFields imsi subscribers.json",
        "set -euo pipefail",
        f"DB=--db_uri={shlex.quote(site.core.database)}"]
    for ue in site.ues:
        for number, one in enumerate(sessions(site, ue)):
            words = (["add_ue_with_slice", ue.imsi, ue.key, ue.opc] if number == 0
                     else ["update_slice", ue.imsi])
            words += [one.dnn, str(one.sst), one.sd or NO_SD]
            lines.append(f'open5gs-dbctl "$DB" {shlex.join(words)}')
    lines += [
        "# What dbctl cannot say: both slices as default, 5QIs, and the PCC rule of promotion.",
        *(f"mongosh --quiet {shlex.quote(site.core.database)} --eval {shlex.quote(_update(one))}"
          for one in documents(site))]
    return "\n".join(lines) + "\n"


def _update(document: dict[str, Any]) -> str:
    """JavaScript that gives an entry its slices; it fails where the entry is not there."""
    wanted = {"imsi": document["imsi"]}
    change = {"$set": {"slice": document["slice"]}}
    return (f"const found = db.subscribers.updateOne({json.dumps(wanted)},\n"
            f"{json.dumps(change, indent=1)});\n"
            f"if (!found.matchedCount) throw new Error({json.dumps('no ' + wanted['imsi'])});")


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
    return {"name": one.dnn, "type": IPV4, "qos": _qos(one.five_qi, 8),
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
