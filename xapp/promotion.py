"""Promotion of one flow: what is asked of a PCF so that the flow gets a QoS flow of its own.

    request = promote(FlowEnds("10.46.0.2", 40000, "192.0.2.7", 8470), dnn="llm")
    # POST request.path with request.body; the answer's Location is what `release` takes
    session = promoted(status, headers, body)
    release(session)

Npcf_PolicyAuthorization (TS 29.514) as requests and answers, without I/O: `promotion_client` sends
them. A PCF of Open5GS maps the media type to a 5QI (audio 1, video 2, control 5), and needs a PCC
rule of that 5QI at the subscriber's session; newer ones take a qosReference in its place.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from xapp.errors import ConfigurationError, PromotionRefused
from xapp.flow_ends import NAMES, PROTOCOLS, FlowEnds
from xapp.observations import Snssai

PATH = "/npcf-policyauthorization/v1/app-sessions"
PROMOTED_5QI = 2  # of media type VIDEO
MEDIA_5QI: Mapping[str, int] = {"AUDIO": 1, "VIDEO": 2, "CONTROL": 5}
MOST_ANSWER = 256 * 1024  # bytes of an answer: a session's description has some kilobytes
_SESSION = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_RATE = re.compile(r"\d+(\.\d+)? (bps|Kbps|Mbps|Gbps|Tbps)")
_RULE = re.compile(r"permit (?P<way>in|out) (?P<protocol>\d{1,3}) from (?P<source>[0-9a-fA-F.:]+) "
                   r"(?P<from>\d{1,5}) to (?P<destination>[0-9a-fA-F.:]+) (?P<to>\d{1,5})")
_ADVICE: Mapping[int, str] = {
    400: "See the PCF's log: an older one needs a media type that it knows.",
    401: "See that the UE has a session with that address now.",
    403: "Give the subscriber's session a PCC rule of that 5QI (subscribers.json has one), or a "
         "qosReference that pcf.yaml names.",
    404: "See that the UE has a session with that address, and that the URL is the PCF's.",
    500: "See that the UE has a session with that address now, and the PCF's log."}


def descriptions(flow: FlowEnds) -> list[str]:
    """As IPFilterRules: `out` is towards the UE."""
    number = PROTOCOLS[flow.protocol]
    return [f"permit out {number} from {flow.peer} {flow.peer_port} to {flow.ue} {flow.ue_port}",
            f"permit in {number} from {flow.ue} {flow.ue_port} to {flow.peer} {flow.peer_port}"]


def described(rule: str) -> FlowEnds:
    """The flow of one such rule: the inverse of either of `descriptions`."""
    found = _RULE.fullmatch(rule)
    if found is None or int(found["protocol"]) not in NAMES:
        raise ConfigurationError(f"{rule[:120]!r} describes no single flow.",
                                 "Give both addresses and both ports, of TCP (6) or UDP (17).")
    source, destination = (found["source"], int(found["from"])), (found["destination"],
                                                                  int(found["to"]))
    ue, peer = (destination, source) if found["way"] == "out" else (source, destination)
    return FlowEnds(*ue, *peer, NAMES[int(found["protocol"])])


@dataclass(frozen=True)
class Wish:
    """What the flow is to get."""

    media: str = "VIDEO"  # decides the 5QI where there is no reference
    reference: str | None = None  # qosReference: a name under pcf.qos_profiles
    down: str | None = None  # such as "20 Mbps"; None: what the PCC rule says
    up: str | None = None

    def __post_init__(self) -> None:
        if self.media not in MEDIA_5QI:
            raise ConfigurationError(f"media {self.media!r}: a PCF of Open5GS knows "
                                     f"{', '.join(MEDIA_5QI)}.")
        for rate in (self.down, self.up):
            if rate is not None and _RATE.fullmatch(rate) is None:
                raise ConfigurationError(f"{rate!r} is no rate: give such as '20 Mbps'.")


@dataclass(frozen=True)
class Request:
    """To be sent over HTTP/2."""

    method: str
    path: str
    body: bytes | None = None

    @property
    def headers(self) -> dict[str, str]:
        """An SCP refuses requests that do not say what kind of function sends them."""
        found = {"User-Agent": "AF", "Accept": "application/json, application/problem+json"}
        if self.body is not None:
            found["Content-Type"] = "application/json"
        return found


def promote(flow: FlowEnds, dnn: str, wish: Wish | None = None, *, snssai: Snssai | None = None,
            supi: str | None = None, notify: str = "http://127.0.0.1:9/airsplit") -> Request:
    """Ask for it. `notify` is where the PCF would tell an end; nobody need listen there."""
    wish = wish or Wish()
    component: dict[str, Any] = {
        "medCompN": 1, "medType": wish.media, "fStatus": "ENABLED",
        "medSubComps": {"1": {"fNum": 1, "fDescs": descriptions(flow), "flowUsage": "NO_INFO"}}}
    for name, value in (("qosReference", wish.reference), ("marBwDl", wish.down),
                        ("marBwUl", wish.up), ("mirBwDl", wish.down), ("mirBwUl", wish.up)):
        if value is not None:
            component[name] = value
    version = ipaddress.ip_address(flow.ue).version
    asked: dict[str, Any] = {
        "afAppId": "airsplit", "dnn": dnn, "medComponents": {"1": component},
        "notifUri": notify, "suppFeat": "4", "ueIpv4" if version == 4 else "ueIpv6": flow.ue}
    if supi is not None:
        asked["supi"] = supi if supi.startswith("imsi-") else f"imsi-{supi}"
    if snssai is not None:
        asked["sliceInfo"] = {"sst": snssai.sst, **(
            {} if snssai.sd is None else {"sd": f"{snssai.sd:06x}"})}
    return Request("POST", PATH, json.dumps({"ascReqData": asked}).encode())


def promoted(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """The session's id from an answer to `promote`; 303 names one that is as it was asked for."""
    if status not in (201, 303):
        raise _refused(status, body)
    location = urlsplit({name.lower(): one for name, one in headers.items()}.get("location", ""))
    head, _, session = location.path.rpartition("/")
    if not head.endswith(PATH) or _SESSION.fullmatch(session) is None:
        raise PromotionRefused("The PCF made a session and says not which: its answer has no "
                               "Location of one.")
    return session


def release(session: str) -> Request:
    """End it."""
    if _SESSION.fullmatch(session) is None:
        raise ConfigurationError(f"{session[:60]!r} is no session's id.")
    return Request("POST", f"{PATH}/{session}/delete", b"{}")


def released(status: int, body: bytes) -> None:
    """Whether it is over; one that is not there is."""
    if status not in (200, 204, 404):
        raise _refused(status, body)


def _refused(status: int, body: bytes) -> PromotionRefused:
    said = ""
    try:
        document = json.loads(body[:MOST_ANSWER].decode("utf-8"))
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        parts = [document.get(name) for name in ("title", "detail", "cause")]
        said = ": " + "; ".join(" ".join(str(one).split())[:200] for one in parts if one)
    return PromotionRefused(f"The PCF answers {status}{said.rstrip(': ')}. "
                            f"{_ADVICE.get(status, '')}".strip())
