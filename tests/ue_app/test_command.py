"""`airsplit ue`: what it prints, reports and answers to its signals, against a real edge."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions
from edge_server.engine.parts import plan_parts, write_parts
from edge_server.messages import Sampling
from testbed.cli import main
from tests.conftest import MakeCheckpoint, RunEdge, RunningEdge
from tests.models import LAYERS
from ue_app.client import EdgeLink
from ue_app.phone import PhoneConfig, open_phone
from ue_app.prompt import Prompter, Turn

TEXT = "the old king said to his son"
FIELDS = {
    "text", "token_ids", "finish", "prompt_tokens", "reused_tokens", "tokens",
    "time_to_first_token", "tokens_per_second", "bytes_up", "bytes_down", "bytes_up_per_token",
    "bytes_down_per_token", "split", "tail", "layers", "mode", "backend", "dtype", "seed", "edge",
    "round_trip", "resumed", "rebuilt", "encoding", "round_trips", "tokens_per_round_trip",
    "drafted", "accepted"}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(checkpoint_folder: MakeCheckpoint) -> Path:
    return checkpoint_folder("gemma3")


@pytest.fixture
def edge(running_edge: RunEdge, folder: Path) -> RunningEdge:
    return running_edge(folder, "--sessions", 1)


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("--local", "text")` is the command's status, output and errors."""
    def act(*options: object) -> tuple[int, str, str]:
        capsys.readouterr()  # the edge's own line
        models = [] if "--model" in options else ["--model", str(folder)]
        status = main(["ue", *models, "--threads", "1", "--max-new-tokens", "10",
                       *map(str, options)])
        output = capsys.readouterr()
        return status, output.out, output.err

    return act


def record_of(run: Run, *options: object) -> dict[str, Any]:
    status, out, err = run("--json", *options)
    assert (status, err) == (0, "")
    assert out.count("\n") == 1
    record: dict[str, Any] = json.loads(out)
    return record


def one_line(run: Run, *options: object) -> str:
    """The error of a command that fails: one line, status 1, nothing on standard output."""
    status, out, err = run(*options)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith("airsplit ue: ")
    return err


def test_the_record(run: Run, edge: RunningEdge, folder: Path) -> None:
    record = record_of(run, "--edge", edge.url, "--split", 2, "--seed", 3, TEXT)
    assert set(record) == FIELDS
    prompter = Prompter(folder)
    assert record["text"] == prompter.decode(record["token_ids"])
    assert record["prompt_tokens"] == len(prompter.encode_turns([Turn("user", TEXT)]))
    assert (record["tokens"], record["finish"]) == (10, "length")
    assert len(record["token_ids"]) == 10
    assert (record["split"], record["tail"], record["layers"]) == (2, None, LAYERS)
    assert (record["mode"], record["dtype"], record["seed"]) == ("split", "fp32", 3)
    assert record["reused_tokens"] == 0
    assert record["bytes_up"] > record["prompt_tokens"] * 256 + 9 * record["bytes_up_per_token"]
    # A frame's header and a WebSocket's beside the row; on a busy machine a ping now and then.
    assert 32 + 256 + 8 <= record["bytes_up_per_token"] < 32 + 256 + 12
    assert 32 + 4 + 2 <= record["bytes_down_per_token"] < 32 + 4 + 6
    assert record["time_to_first_token"] > 0
    assert record["tokens_per_second"] > 0


def test_rows_in_an_encoding(run: Run, edge: RunningEdge) -> None:
    status, out, err = run("--edge", edge.url, "--encoding", "int8", TEXT)
    assert (status, bool(out)) == (0, True)
    assert "rows in int8" in err  # in the line with the bytes a token
    record = record_of(run, "--edge", edge.url, "--encoding", "int8", TEXT)
    assert record["encoding"] == "int8"
    # Number of the encoding, a group's scale, a byte a channel; a short message's header is 6 B.
    assert 32 + 1 + 2 + 64 + 6 <= record["bytes_up_per_token"] < 32 + 1 + 2 + 64 + 10


@pytest.mark.parametrize(("options", "what"), [
    (["--encoding", "int9"], "Choose one of raw, int8"),
    (["--encoding", "auto"], "--max-ppl-increase"),
    (["--max-ppl-increase", 1], "--encoding auto"),
    (["--encoding", "auto", "--max-ppl-increase", 1], "airsplit encodings measure")])
def test_encodings_that_cannot_be(
    run: Run, edge: RunningEdge, options: list[object], what: str
) -> None:
    status, _, err = run("--edge", edge.url, *options, TEXT)
    assert status == 1
    assert what in err


def test_the_record_of_an_unsplit_answer(run: Run) -> None:
    record = record_of(run, "--local", TEXT)
    assert set(record) == FIELDS
    assert record["mode"] == "local"
    assert record["bytes_up"] is record["bytes_down"] is record["bytes_up_per_token"] is None
    assert record["edge"] is record["round_trip"] is None
    assert record["layers"] == LAYERS


@pytest.mark.parametrize("options", [
    [], ["--split", "3"], ["--private"], ["--private", "--tail", "2"], ["--split", "4"],
    ["--chunk", "3"], ["--backend", "reference"]], ids=" ".join)
@pytest.mark.parametrize("sampling", [
    [], ["--temperature", "0.9", "--top-k", "30", "--top-p", "0.9", "--min-p", "0.01",
         "--repetition-penalty", "1.2"]], ids=["greedy", "sampled"])
def test_split_answers_as_local(
    options: list[str], sampling: list[str], run: Run, running_edge: RunEdge, folder: Path
) -> None:
    backend = options if "--backend" in options else []
    edge = running_edge(folder, *backend)
    expected = record_of(run, "--local", "--seed", 5, *sampling, *backend, TEXT)
    record = record_of(run, "--edge", edge.url, "--seed", 5, *options, *sampling, TEXT)
    assert record["token_ids"] == expected["token_ids"]
    assert record["text"] == expected["text"]


def test_text_goes_out_and_figures_beside_it(run: Run, edge: RunningEdge) -> None:
    expected = record_of(run, "--local", TEXT)["text"]
    status, out, err = run("--edge", edge.url, TEXT)
    assert (status, out) == (0, expected + "\n")
    assert err.startswith("[10 tokens · first after ")
    assert err.endswith(" B down a token · layers [0, 1) here, [1, 4) at the edge]\n")
    status, out, err = run("--edge", edge.url, "--quiet", TEXT)
    assert (status, out, err) == (0, expected + "\n", "")


def test_the_report_is_the_record(run: Run, edge: RunningEdge, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    status, out, _ = run("--edge", edge.url, "--quiet", "--report", file, TEXT)
    record = json.loads(file.read_text())
    assert status == 0
    assert set(record) == FIELDS
    assert out == record["text"] + "\n"


def test_a_report_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    """It is said in one line; the answer was printed already."""
    status, out, err = run("--local", "--quiet", "--report", tmp_path / "no" / "report.json", TEXT)
    assert status == 1
    assert out
    assert err.count("\n") == 1
    assert str(tmp_path / "no" / "report.json") in err


def test_turns_of_one_conversation(run: Run, edge: RunningEdge) -> None:
    record = record_of(run, "--edge", edge.url, TEXT, "who are you?")
    local = record_of(run, "--local", TEXT, "who are you?")
    assert [turn["token_ids"] for turn in record["turns"]] == [
        turn["token_ids"] for turn in local["turns"]]
    assert record["turns"][1] == {key: record[key] for key in FIELDS}
    assert record["turns"][1]["reused_tokens"] >= record["turns"][0]["prompt_tokens"]
    status, out, err = run("--edge", edge.url, TEXT, "who are you?")
    assert status == 0
    assert out == "".join(turn["text"] + "\n" for turn in record["turns"])
    assert "prompt tokens not sent again" in err.splitlines()[1]


def test_a_raw_prompt_is_taken_as_it_is(run: Run, folder: Path) -> None:
    record = record_of(run, "--local", "--raw", TEXT, " and")
    prompter = Prompter(folder)
    first, second = record["turns"]
    assert first["prompt_tokens"] == len(prompter.encode_raw(TEXT))
    more = prompter.tokenizer.encode(" and", add_special_tokens=False).ids
    assert second["prompt_tokens"] == first["prompt_tokens"] + 10 + len(more)
    assert second["reused_tokens"] == first["prompt_tokens"] + 9


def test_a_prompt_from_standard_input(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = record_of(run, "--local", TEXT)["token_ids"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(TEXT + "\n"))
    assert record_of(run, "--local")["token_ids"] == expected


class Terminal(io.StringIO):
    """Standard input as a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str | BaseException]], None]:
    """What somebody types, line by line."""
    def act(lines: list[str | BaseException]) -> None:
        left: Iterator[str | BaseException] = iter(lines)

        def read(_: str) -> str:
            line = next(left)
            if isinstance(line, BaseException):
                raise line
            return line

        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr("builtins.input", read)

    return act


Typed = Callable[[list[str | BaseException]], None]


@pytest.mark.parametrize("end", [EOFError(), KeyboardInterrupt()])
def test_a_conversation_at_the_terminal(
    end: BaseException, run: Run, edge: RunningEdge, typed: Typed
) -> None:
    expected = record_of(run, "--local", TEXT, "who are you?")
    typed([TEXT, "  ", "who are you?", end])
    status, out, err = run("--edge", edge.url, "--quiet")
    assert status == 0
    assert out == "".join(turn["text"] + "\n" for turn in expected["turns"])
    assert "Ctrl-D leaves" in err


def interrupt_at(call: int, patch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the `call`th result is waited for."""
    left, original = [call], EdgeLink.receive

    def receive(link: EdgeLink) -> Any:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return original(link)

    patch.setattr(EdgeLink, "receive", receive)


@pytest.mark.parametrize("call", [1, 4])
def test_ctrl_c_ends_the_answer(
    call: int, run: Run, edge: RunningEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = record_of(run, "--local", TEXT)
    with monkeypatch.context() as patch:
        interrupt_at(call, patch)
        status, out, err = run("--edge", edge.url, TEXT, "never asked")
    assert status == 130
    assert whole["text"].startswith(out.rstrip("\n"))
    assert "cancelled]" in err
    assert "Traceback" not in err
    assert edge.closed.acquire(timeout=60)
    assert record_of(run, "--edge", edge.url, TEXT)["token_ids"] == whole["token_ids"]


def test_ctrl_c_in_the_record(
    run: Run, edge: RunningEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(4, monkeypatch)
    status, out, _ = run("--edge", edge.url, "--json", TEXT)
    record = json.loads(out)
    assert status == 130
    assert (record["finish"], record["tokens"]) == ("cancelled", 3)


def test_ctrl_c_at_the_terminal_ends_the_answer_and_not_the_conversation(
    run: Run, edge: RunningEdge, folder: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next answer is the one to what was said so far, of which nothing is left over."""
    typed([TEXT, "who are you?", EOFError()])
    interrupt_at(3, monkeypatch)
    status, out, err = run("--edge", edge.url)
    assert status == 0
    assert err.count("cancelled]") == 1
    begun, answer, rest = out.split("\n")
    assert rest == ""
    local = open_phone(PhoneConfig((folder,), None, EngineOptions(threads=1), max_new_tokens=10))
    ids = local.prompter.encode_turns(
        [Turn("user", TEXT), Turn("assistant", begun), Turn("user", "who are you?")])
    assert answer == "".join(local.conversation.ask(ids, Sampling(), local.prompter.stream()))


def test_stop_strings(run: Run, edge: RunningEdge) -> None:
    text = record_of(run, "--local", TEXT)["text"]
    mark = text[3:5]
    record = record_of(run, "--edge", edge.url, "--stop", "no such text", "--stop", mark, TEXT)
    assert (record["text"], record["finish"]) == (text[: text.find(mark)], "stop")


def test_how_the_models_makers_want_it(
    run: Run, edge: RunningEdge, folder: Path, tmp_path: Path
) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "generation_config.json").unlink()
    (tmp_path / "generation_config.json").write_text(json.dumps(
        {"do_sample": True, "temperature": 5.0, "top_k": 64, "eos_token_id": 1}))
    model = ["--model", str(tmp_path)]
    sampled = record_of(run, "--local", *model, "--seed", 1, TEXT)["token_ids"]
    greedy = record_of(run, "--local", TEXT)["token_ids"]
    assert sampled != greedy
    assert record_of(run, "--local", "--seed", 1, "--temperature", 5, "--top-k", 64,
                     TEXT)["token_ids"] == sampled
    assert record_of(run, "--local", *model, "--temperature", 0, TEXT)["token_ids"] == greedy
    first = record_of(run, "--local", *model, TEXT)
    again = record_of(run, "--local", *model, "--seed", first["seed"], TEXT)
    assert again["token_ids"] == first["token_ids"]


@pytest.mark.parametrize(("options", "said"), [
    (["--temperature", "101"], "--temperature is out of range. Give 0"),
    (["--temperature", "nan"], "--temperature is out of range"),
    (["--top-k", "-1"], "--top-k is out of range"),
    (["--top-p", "0"], "--top-p is out of range"), (["--min-p", "2"], "--min-p is out of range"),
    (["--repetition-penalty", "0"], "--repetition-penalty is out of range"),
    (["--seed", "-1"], "--seed is out of range"),
    (["--split", "9"], "--split from 0 to 4"), (["--private", "--split", "0"], "--split 1 or more"),
    (["--private", "--tail", "7"], "--tail from 0 to 4"),
    (["--model", "nowhere"], "nowhere is not a folder"),
    (["--dtype", "bf16"], "same --dtype"),
    (["--edge", "nonsense"], "'nonsense' is not the address"),
    (["--edge", "http://127.0.0.1:1"], "Start one with `airsplit edge`"),
    (["--edge", "http://a..b"], "No edge answers"), (["--context", "5"], "--context"),
    (["--context", "2", "--raw"], "--context")], ids=lambda value: str(value)[:30])
def test_errors_are_one_line(
    options: list[str], said: str, run: Run, edge: RunningEdge
) -> None:
    where = [] if "--edge" in options else ["--edge", edge.url]
    assert said in one_line(run, *where, *options, TEXT)


def test_no_system_role(run: Run) -> None:
    assert "System role not supported" in one_line(
        run, "--local", "--json", "--system", "You are a king.", TEXT)


def test_nothing_to_say(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert "holds no tokens" in one_line(run, "--local", "--json", "--model", tmp_path)


@pytest.mark.parametrize("options", [
    ["--timeout", "0"], ["--timeout", "-1"], ["--timeout", "nan"], ["--timeout", "soon"],
    ["--chunk", "0"], ["--max-new-tokens", "0"], ["--threads", "0"], ["--split", "one"],
    ["--dtype", "fp64"], ["--no-such-option"]], ids=" ".join)
def test_options_that_cannot_be(
    options: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["ue", "--local", "--model", str(folder), *options, TEXT])
    assert left.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_standard_input_that_is_no_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), "utf-8"))
    assert "UTF-8" in one_line(run, "--local")


def test_text_in_another_encoding(run: Run) -> None:
    broken = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert "UTF-8" in one_line(run, "--local", "--json", broken)
    status, _, err = run("--local", "--json", "--raw", TEXT, broken)
    assert status == 1
    assert "UTF-8" in err


def test_a_private_parts_own_tail(
    run: Run, running_edge: RunEdge, folder: Path, tmp_path: Path
) -> None:
    """`--private` says what the part says already; both sides keep to how it was cut."""
    ends, middle = write_parts(
        Checkpoint.open(folder), plan_parts([1, 2], LAYERS, True), tmp_path)
    edge = running_edge(middle)
    expected = record_of(run, "--local", TEXT)["token_ids"]
    for options in ([], ["--private"]):
        record = record_of(run, "--edge", edge.url, "--model", ends, *options, TEXT)
        assert record["token_ids"] == expected
        assert (record["mode"], record["tail"], record["layers"]) == ("private", 2, LAYERS)


def test_joined_parts(run: Run, folder: Path, tmp_path: Path) -> None:
    parts = write_parts(Checkpoint.open(folder), plan_parts([2], LAYERS, False), tmp_path)
    models = [option for part in parts for option in ("--model", str(part))]
    expected = record_of(run, "--local", TEXT)
    assert record_of(run, "--local", *models, TEXT)["token_ids"] == expected["token_ids"]
