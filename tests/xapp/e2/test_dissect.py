"""An independent judge: Wireshark's dissectors take everything that we can send without objection.

Each of E2AP's messages goes into a capture that our own stack writes, with the service models'
payloads in requests, answers and indications; so does every payload that there is an example of.
The function definitions, from which Wireshark learns the service models, come in E2 setups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2_dissect import dissector
from tests.e2_dissect.dissector import Frame, dissect, need_dissectors
from tests.xapp.e2.e2ap_examples import CU_CP, CU_UP, DU, E1, EXAMPLES, F1, NG, RC_OID, REQUEST
from tests.xapp.e2.examples import (
    BUNDLES,
    DISSECTORS_KPM_V3_OID,
    SPEC,
    Example,
)
from tests.xapp.e2.examples import EXAMPLES as PAYLOADS
from xapp.e2.capture import Capture
from xapp.e2.capture_packets import MOST_FRAGMENT, Endpoint
from xapp.e2.common import CCC_OIDS
from xapp.e2.e2ap import encode
from xapp.e2.e2ap_causes import MiscCause
from xapp.e2.e2ap_messages import (
    ControlAcknowledge,
    ControlFailure,
    ControlRequest,
    E2SetupRequest,
    Indication,
    Message,
    ServiceUpdate,
    SubscriptionDeleteRequest,
    SubscriptionDeleteRequired,
    SubscriptionDetails,
    SubscriptionRequest,
)
from xapp.e2.e2ap_tables import MESSAGE_TYPES
from xapp.e2.e2ap_types import Action, IndicationType, RanFunction

RIC, GNB_ADDRESS = Endpoint("192.0.2.1", 36421), "192.0.2.9"
IDS = {"kpm": 2, "rc": 3, "ccc": 4}
# Those that Wireshark 4.4 has dissectors of: it notes when a node announces others.
OIDS = {"kpm": DISSECTORS_KPM_V3_OID, "rc": RC_OID, "ccc": CCC_OIDS[1]}
TREES = {
    ("kpm", "function"): "E2SM-KPM-RANfunction-Description",
    ("kpm", "trigger"): "E2SM-KPM-EventTriggerDefinition",
    ("kpm", "action"): "E2SM-KPM-ActionDefinition",
    ("kpm", "header"): "E2SM-KPM-IndicationHeader",
    ("kpm", "message"): "E2SM-KPM-IndicationMessage",
    ("rc", "function"): "E2SM-RC-RANFunctionDefinition",
    ("rc", "control_header"): "E2SM-RC-ControlHeader",
    ("rc", "control_message"): "E2SM-RC-ControlMessage",
    ("rc", "control_outcome"): "E2SM-RC-ControlOutcome",
}


def payload(model: str, part: str, bundled: bool = False) -> bytes:
    """The first example of a part, or of a bundle's."""
    return next((one.data for one in (BUNDLES if bundled else SPEC)
                 if (one.model, one.part) == (model, part)), b"{}")


FUNCTIONS = tuple(RanFunction(IDS[model], payload(model, "function"), 1, OIDS[model])
                  for model in IDS)


def with_payload(one: Example) -> Iterator[Message]:
    """The messages that carry such a payload, and what belongs to it."""
    function, bundled = IDS[one.model], one in BUNDLES
    if one.part == "function":
        yield ServiceUpdate(1, (RanFunction(function + 20, one.data, 1, OIDS[one.model]),))
    elif one.part == "trigger":
        yield SubscriptionRequest(REQUEST, function, SubscriptionDetails(one.data, (Action(0),)))
    elif one.part == "action":
        yield SubscriptionRequest(REQUEST, function, SubscriptionDetails(
            payload("kpm", "trigger"), (Action(0, definition=one.data),)))
    elif one.part in ("header", "message"):
        parts = {part: payload(one.model, part) for part in ("header", "message")}
        parts[one.part] = one.data
        yield Indication(REQUEST, function, 0, None, IndicationType.REPORT, **parts)
    elif one.part == "control_outcome":
        yield ControlAcknowledge(REQUEST, function, outcome=one.data)
        yield ControlFailure(REQUEST, function, MiscCause.UNSPECIFIED, outcome=one.data)
    else:
        names = {"control_header": "header", "control_message": "message"}
        parts = {name: payload(one.model, part, bundled) for part, name in names.items()}
        parts[names[one.part]] = one.data
        yield ControlRequest(REQUEST, function, **parts, acknowledge=True)


def with_real_payloads(message: Message) -> Message:
    """An example of E2AP with a service model's octets where it has any old ones."""
    if isinstance(message, E2SetupRequest):
        return replace(message, functions=FUNCTIONS)
    if isinstance(message, ServiceUpdate):
        return replace(message, added=FUNCTIONS[2:], modified=FUNCTIONS[:1])
    if isinstance(message, SubscriptionRequest):
        action = replace(message.details.actions[0], definition=payload("kpm", "action"))
        return replace(message, details=SubscriptionDetails(
            payload("kpm", "trigger"), (action, *message.details.actions[1:1])))
    if isinstance(message, Indication):
        return replace(message, header=payload("kpm", "header"), message=payload("kpm", "message"))
    if isinstance(message, ControlRequest):
        return replace(message, header=payload("rc", "control_header"),
                       message=payload("rc", "control_message"))
    if isinstance(message, ControlAcknowledge | ControlFailure):
        return replace(message, outcome=payload("rc", "control_outcome"))
    return message


SETUPS = (E2SetupRequest(0, DU, FUNCTIONS, (F1,)), E2SetupRequest(0, CU_CP, FUNCTIONS, (NG,)),
          E2SetupRequest(0, CU_UP, FUNCTIONS, (E1,)))
E2AP = [with_real_payloads(message) for message in EXAMPLES]
CARRIED = [(one, message) for one in (*SPEC, *BUNDLES) for message in with_payload(one)]


def write(path: Path, messages: list[Message | bytes], damage: bool = False) -> None:
    """A capture of three setups, and then all messages, half of them each way."""
    told: list[str] = []
    with Capture(path, told.append) as capture:
        ends = [capture.association(RIC, Endpoint(GNB_ADDRESS, 40000 + number))
                for number in range(3)]
        for end, setup, ppid in zip(ends, SETUPS, (72, 70, 71), strict=True):
            end.received(encode(setup), ppid)
        for number, message in enumerate(messages):
            data = message if isinstance(message, bytes) else encode(message)
            note = ends[0].sent if number % 2 else ends[0].received
            note(data, 72)
    assert (told, capture.dropped, capture.written) == ([], 0, len(messages) + 3)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    """All that we can send, dissected once."""
    need_dissectors()
    path = tmp_path_factory.mktemp("dissect") / "all.pcap"
    write(path, [*E2AP, *(message for _, message in CARRIED)])
    return dissect(path)


def test_everything_that_we_can_send_is_dissected_without_objection(frames: list[Frame]) -> None:
    assert len(frames) == len(SETUPS) + len(E2AP) + len(CARRIED)
    for frame in frames:
        assert "E2AP" in frame.protocol
        assert frame.objections == [], frame.number
    assert {type(message) for message in E2AP} == {kind.cls for kind in MESSAGE_TYPES}


def test_every_message_is_looked_into(frames: list[Frame]) -> None:
    """Except one that Wireshark 4.4 knows by its number only."""
    shown = frames[len(SETUPS):len(SETUPS) + len(E2AP)]
    for message, frame in zip(E2AP, shown, strict=True):
        if isinstance(message, SubscriptionDeleteRequired):
            assert frame.has("procedureCode: id-RICsubscriptionDeleteRequired (12)")
        else:
            assert frame.has("protocolIEs: "), frame.number


def test_every_payload_is_looked_into(frames: list[Frame]) -> None:
    carried = frames[len(SETUPS) + len(E2AP):]
    assert len(carried) == len(CARRIED)
    for (one, _), frame in zip(CARRIED, carried, strict=True):
        tree = TREES.get((one.model, one.part), "JavaScript Object Notation")
        assert frame.has(tree), one.name
    assert {one.name for one in PAYLOADS} >= {one.name for one, _ in CARRIED}


def test_values_are_shown_as_they_were_meant(frames: list[Frame]) -> None:
    setup = frames[0]
    assert setup.has("gNB-DU-ID: 0")
    assert any("decimal value 411" in text for _, text in setup.tree)
    assert frames[2].has("gNB-CU-UP-ID: 1")
    texts = [text for frame in frames for _, text in frame.tree]
    for text in ("measName: DRB.UEThpDl", "ric-ControlAction-ID: 6", "granulPeriod: 1000",
                 "TransactionID: 4", "ricRequestorID: 7", "amf-name: amf0",
                 "TimeToWait: v60s (5)", "ricRequest: action-not-supported (1)"):
        assert any(line.startswith(text) for line in texts), text


def test_a_pdu_in_several_packets_is_put_together(tmp_path: Path) -> None:
    need_dissectors()
    large = Indication(REQUEST, 2, 0, None, IndicationType.REPORT, payload("kpm", "header"),
                       payload("kpm", "message"), bytes(MOST_FRAGMENT))
    data = encode(large)
    assert len(data) > MOST_FRAGMENT
    write(tmp_path / "large.pcap", [data])
    found = dissect(tmp_path / "large.pcap")
    assert len(found) == 3 + 2
    assert not any("E2AP" in frame.protocol for frame in found[3:4])
    assert found[4].info.startswith("RICindication")
    assert [frame.objections for frame in found] == [[]] * 5


def test_a_damaged_pdu_is_objected_to(tmp_path: Path) -> None:
    """Else the tests above could not fail."""
    need_dissectors()
    plain = next(message for message in E2AP if isinstance(message, ControlRequest))
    payload_damaged = replace(plain, message=plain.message[:40])
    miscounted = bytearray(encode(SubscriptionDeleteRequest(REQUEST, 2)))
    miscounted[6] += 1  # elements that it promises
    write(tmp_path / "damaged.pcap", [
        encode(E2AP[0])[:-5], encode(payload_damaged), bytes(miscounted), encode(plain)])
    found = dissect(tmp_path / "damaged.pcap")[3:]
    assert [bool(frame.objections) for frame in found] == [True, True, True, False]


def test_a_checksum_that_is_wrong_is_objected_to(tmp_path: Path) -> None:
    need_dissectors()
    path = tmp_path / "checksum.pcap"
    write(path, [])
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # padding, or the last octet of a configuration
    path.write_bytes(bytes(content))
    assert any("Bad SCTP checksum" in text for text in dissect(path)[-1].objections)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dissector, "PACKAGE", tmp_path / "package.json")
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/node")
    monkeypatch.setenv(dissector.VARIABLE, "")
    with pytest.raises(pytest.skip.Exception, match="npm ci --prefix tests/e2_dissect"):
        need_dissectors()
    monkeypatch.setenv(dissector.VARIABLE, "required")
    with pytest.raises(pytest.fail.Exception, match="npm ci --prefix tests/e2_dissect"):
        need_dissectors()
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(pytest.fail.Exception, match="node is not installed"):
        need_dissectors()
