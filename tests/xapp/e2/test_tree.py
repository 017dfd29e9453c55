"""PDUs as trees and documents: everything is shown, and nothing is a surprise."""

from __future__ import annotations

import json

from hypothesis import given, settings

from tests.xapp.e2.e2ap_examples import EXAMPLES
from tests.xapp.e2.e2ap_values import messages
from tests.xapp.e2.test_dissect import CARRIED, SETUPS
from xapp.e2.e2ap import encode
from xapp.e2.e2ap_container import Pdu, RawIe, build
from xapp.e2.e2ap_messages import ControlRequest, Message
from xapp.e2.e2ap_types import Criticality, Kind
from xapp.e2.tree import Document, document, text
from xapp.e2.tree_payloads import KnownFunctions


def shown(message: Message, known: KnownFunctions | None = None) -> list[str]:
    return list(text(document(encode(message), known or KnownFunctions())))


def carried(name: str) -> Message:
    return next(message for one, message in CARRIED if one.name == name)


def test_a_tree_of_a_setup() -> None:
    lines = shown(EXAMPLES[0])
    size = len(encode(EXAMPLES[0]))
    assert lines[0] == f"E2SetupRequest (initiating, procedure 1, {size} octets)"
    assert lines[1:8] == [
        "  transaction: 1", "  node: GnbNodeId", "    gnb: GlobalGnbId", "      plmn: 00101",
        "      gnb_id: 0x00019b (22 bits)", "    du_id: 0", "  functions: 3"]
    assert "      oid: 1.3.6.1.4.1.53148.1.2.2.2" in lines
    # "kpm" is no definition of a function; the octets are shown then.
    at = lines.index("      definition: KPM function")
    assert lines[at + 1].startswith("        problem: FunctionDefinition")
    assert lines[at + 2] == "        octets: " + b"kpm".hex()


def test_payloads_are_looked_into() -> None:
    known = KnownFunctions()
    document(encode(SETUPS[0]), known)
    lines = shown(carried("quota message"), known)
    assert "  header: RC control header" in lines
    assert "      f1_id: 4" in lines
    assert "  message: RC control message" in lines
    assert not any("guess" in line for line in lines)
    lines = shown(carried("CCC control"), known)
    assert "                  rRMPolicyMaxRatio: 80" in lines


def test_a_guess_is_called_one() -> None:
    lines = shown(carried("UE reports"))
    assert lines.count("    guess: no setup was seen; function 2 is taken for KPM") == 2
    assert any(line.strip() == "f1_id: 2" for line in lines)
    assert any(line.strip() == "name: DRB.UEThpDl" for line in lines)


def test_causes_and_enumerations_are_words() -> None:
    lines = shown(EXAMPLES[2])
    assert "  cause: misc: control-processing-overload" in lines
    assert "  time_to_wait: v5s" in lines
    assert "    triggering: initiating" in lines
    assert "        criticality: notify" in lines


def test_long_octets_are_counted_in_text_and_whole_in_documents() -> None:
    control = next(message for message in EXAMPLES if isinstance(message, ControlRequest))
    found = document(encode(control), KnownFunctions())
    assert found["content"]["message"]["octets"] == control.message.hex()
    assert any(line.endswith("... (200 octets)") for line in text(found))


def test_damage_is_shown_as_far_as_it_is_understood() -> None:
    known = KnownFunctions()
    assert list(text(document(b"\xff\xff", known))) == [
        "no PDU: a PDU that is no request and no answer", "  octets: ffff"]
    pdu = build(Pdu(Kind.INITIATING, 3, Criticality.REJECT, (
        RawIe(49, Criticality.REJECT, b"\0\6"), RawIe(900, Criticality.REJECT, b"x"))))
    assert list(text(document(pdu, known)))[1:] == [
        "  problem: ResetRequest has an unknown element 900",
        "  cause: protocol: abstract-syntax-error-reject", "  transaction: 6"]
    unknown = build(Pdu(Kind.SUCCESSFUL, 99, Criticality.IGNORE, ()))
    assert list(text(document(unknown, known))) == [
        f"procedure 99 (successful) (successful, procedure 99, {len(unknown)} octets)",
        "  problem: procedure 99 (successful) is not known", "  cause: no cause given"]


@settings(max_examples=100, deadline=None)
@given(messages)
def test_every_message_has_a_tree_and_a_document(message: Message) -> None:
    found = document(encode(message), KnownFunctions())
    again: Document = json.loads(json.dumps(found))
    assert again == found
    assert next(text(found)).startswith(type(message).__name__)


def test_every_carried_payload_has_a_tree_without_problems() -> None:
    known = KnownFunctions()
    for one, message in CARRIED:
        if one.part != "function":
            assert not any("problem" in line for line in shown(message, known)), one.name
