"""`airsplit xapp decode`: digits, files and captures, as trees, lines or JSON."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
from pathlib import Path

import pytest

from tests.xapp.e2.e2ap_examples import EXAMPLES
from tests.xapp.e2.test_dissect import CARRIED, SETUPS
from xapp import decode_command
from xapp.e2 import capture_packets
from xapp.e2.capture import Capture
from xapp.e2.capture_packets import Endpoint
from xapp.e2.e2ap import encode
from xapp.errors import ConfigurationError

RESET = encode(EXAMPLES[24]).hex()
INDICATION = encode(next(message for one, message in CARRIED if one.name == "UE reports"))


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    decode_command.configure(parser)
    arguments = parser.parse_args(words)
    return int(arguments.run(arguments))


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "e2.pcap"
    told: list[str] = []
    with Capture(path, told.append, lambda: 1_700_000_000_000_000_000) as writer:
        ends = writer.association(Endpoint("192.0.2.1", 36421), Endpoint("192.0.2.9", 50000))
        ends.received(encode(SETUPS[0]), 72)
        ends.received(INDICATION, 72)
        ends.sent(encode(EXAMPLES[24]), 72)
    assert told == []
    return path


def test_digits(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(encode(EXAMPLES[24]).hex()) == 0
    assert capsys.readouterr().out == (
        "ResetRequest (initiating, procedure 3, 18 octets)\n  transaction: 6\n"
        "  cause: misc: om-intervention\n")
    assert run("0x" + encode(EXAMPLES[25]).hex(":")) == 0
    assert "ResetResponse" in capsys.readouterr().out


def test_the_help_shows_digits_that_are_a_pdu(capsys: pytest.CaptureFixture[str]) -> None:
    digits = decode_command.EXAMPLES.split()[4]
    assert run(digits) == 0
    assert "ResetRequest" in capsys.readouterr().out


def test_digits_that_are_no_pdu_are_shown_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ffff") == 1
    assert capsys.readouterr().out.startswith("no PDU: ")


def test_captures_name_their_functions(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(capture)) == 0
    out = capsys.readouterr().out
    assert "#2  2023-11-14T22:13:20.000000Z  192.0.2.9:50000 > 192.0.2.1:36421  PPID 72" in out
    assert run(str(capture), "--brief") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("PPID 72  ")[1] for line in lines] == [
        "E2SetupRequest, transaction 0", "Indication, function 2, request 7/21",
        "ResetRequest, transaction 6, misc: om-intervention"]
    assert run(str(capture), "--brief", "--limit", "2") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_packed_captures_and_standard_input(capture: Path, monkeypatch: pytest.MonkeyPatch,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    packed = capture.with_suffix(".pcap.gz")
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    for given, stdin in ((str(packed), b""), ("-", capture.read_bytes()),
                         ("-", INDICATION.hex().encode())):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        assert run(given, "--brief") == 0
        assert "Indication, function 2" in capsys.readouterr().out


def test_json_is_one_object_a_pdu(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(str(capture), "--json")
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["message"] for one in documents] == [
        "E2SetupRequest", "Indication", "ResetRequest"]
    assert documents[1]["from"] == "192.0.2.9:50000"
    assert documents[2]["content"] == {"transaction": 6, "cause": "misc: om-intervention"}


def test_files_of_octets_and_of_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    binary, digits, wrapped = (tmp_path / name for name in ("pdu.bin", "pdus.txt", "xxd.txt"))
    binary.write_bytes(INDICATION)
    digits.write_text(f"# two\n{RESET}  # the first\n\n{INDICATION.hex()}\n")
    text = INDICATION.hex()
    wrapped.write_text("\n".join(text[at:at + 60] for at in range(0, len(text), 60)))
    assert run(str(binary), "--brief") == 0
    assert run(str(wrapped), "--brief") == 0
    assert capsys.readouterr().out == "     1  Indication, function 2, request 7/21\n" * 2
    assert run(str(digits), "--brief") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    digits.write_text(f"{RESET[:-2]}\n{INDICATION.hex()}\n")
    assert run(str(digits), "--brief") == 3
    assert capsys.readouterr().out.startswith("     1  no PDU: ")


def test_function_numbers_may_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    run(INDICATION.hex())
    assert "guess: no setup was seen; function 2 is taken for KPM" in capsys.readouterr().out
    run(INDICATION.hex(), "--kpm", "2", "--rc", "3")
    out = capsys.readouterr().out
    assert "KPM message" in out
    assert "guess" not in out
    assert run(INDICATION.hex(), "--ccc", "2") == 1  # which it is not
    assert "problem: no JSON" in capsys.readouterr().out
    with pytest.raises(ConfigurationError, match="given as KPM and as RC"):
        run(INDICATION.hex(), "--kpm", "2", "--rc", "2")


@pytest.mark.parametrize(("given", "problem"), [
    ("nowhere.pcap", "'nowhere.pcap' is no file, and no hexadecimal digits"),
    ("abc", "The argument has 3 hexadecimal digits, an odd number"),
    ("x" * 5000, "is no file")])
def test_input_that_is_none(given: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        run(given)


def test_a_capture_of_a_gnb_in_one_piece_at_a_port_of_the_ric_s_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has neither E2's PPIDs nor its port: what it says tells, from its first message on."""
    monkeypatch.setattr(capture_packets, "E2_PPID", 0)  # as tcpdump would have written it
    path = tmp_path / "e2.pcap"
    with Capture(path, print) as writer:
        ends = writer.association(Endpoint("192.0.2.1", 4711), Endpoint("192.0.2.9", 50000))
        ends.received(b"no E2", 0)
        ends.received(encode(SETUPS[0]), 0)
        ends.sent(encode(EXAMPLES[24]), 0)
        writer.association(Endpoint("192.0.2.1", 38412), Endpoint("192.0.2.9", 50001)).received(
            encode(SETUPS[0]), 60)  # by its PPID another protocol's, whatever it looks like
    assert run(str(path), "--brief") == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[7].rstrip(",") for line in shown] == ["E2SetupRequest", "ResetRequest"]


def test_a_pipe_of_the_shell(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content, name in ((RESET.encode(), "ResetRequest"), (capture.read_bytes(), "Indication")):
        out, into = os.pipe()
        with os.fdopen(into, "wb") as stream:
            stream.write(content)
        try:
            assert run(f"/dev/fd/{out}") == 0
        finally:
            os.close(out)
        assert name in capsys.readouterr().out


def test_a_capture_without_e2_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pcap"
    with Capture(empty, print):
        pass
    with pytest.raises(ConfigurationError, match="holds no E2 PDU"):
        run(str(empty))


@pytest.mark.parametrize(("words", "said"), [
    (("00", "--kpm", "5000"), "5000 is no RAN function"), (("00", "--rc", "two"), "two is no RAN"),
    (("00", "--limit", "0"), "0 is no number of PDUs"), (("00", "--limit", "all"), "all is no n"),
    ((), "required")])
def test_options_that_cannot_be(words: tuple[str, ...], said: str,
                                capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(*words)
    assert said in capsys.readouterr().err
