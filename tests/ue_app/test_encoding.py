"""Rows in an encoding, end to end: the same tokens where nothing is lost, and after broken links.

What an edge is left with after a link broke must be the same bits as without that, whatever the
encoding; so the same tokens follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode
from websockets.sync.server import ServerConnection

from edge_server.encodings.registry import ENTRIES, by_name
from edge_server.encodings.wire import Chain, Packed, pack_again, unpack
from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.identity import identity_of
from edge_server.engine.load import EngineOptions
from edge_server.errors import ConfigurationError, FrameError, SessionError
from edge_server.frame import Dtype, Flags, Frame, FrameType, decode, encode
from edge_server.messages import ErrorCode, Hello, Mode, Sampling
from edge_server.session import Job
from edge_server.split import LayerRange
from edge_server.worker import Reply
from tests.conftest import MakeCheckpoint, RunEdge, RunningEdge
from tests.faults import Cut, How, Relay, Way, boundaries, parsed
from tests.models import LAYERS
from tests.ue_app.scripted import SESSION, get, scripted_edges, wait_for_the_end, welcome
from ue_app.client import EdgeLink
from ue_app.encoding import RowEncoder, check, encoder_for, on_the_way_back
from ue_app.encoding_choice import Candidate, Choice
from ue_app.encoding_table import TABLE_NAME, Quality, Table, save
from ue_app.generate import Answer
from ue_app.ledger import Ledger
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.prompt import Turn
from ue_app.wire import LinkConfig

NAMES = [entry.name for entry in ENTRIES]
TEXT = "the old king said to his son: go out into the world, who are you? it was dark"
TOKENS = 6
SAMPLED = Sampling(temperature=0.9, top_k=40, top_p=0.95, seed=11)
LINK = LinkConfig("", probe_interval=1e6, dead_after=20.0, patience=20.0)
MakePhone = Callable[..., Phone]


@pytest.fixture
def phone() -> Iterator[MakePhone]:
    opened: list[Phone] = []

    def make(folder: Path, url: str | None, encoding: str = "raw", tail: int | None = None,
             piece: int = 32) -> Phone:
        opened.append(open_phone(PhoneConfig(
            (folder,), None if url is None else replace(LINK, url=url, piece=piece),
            EngineOptions("auto", "auto", 1, 256, 1), split=1, tail=tail, max_new_tokens=TOKENS,
            chunk=8, encoding=encoding)))
        return opened[-1]

    yield make
    for each in opened:
        each.link.close()


def ask(phone: Phone, text: str = TEXT) -> Answer:
    ids = phone.prompter.encode_turns([Turn("user", text)])
    for _ in phone.conversation.ask(ids, SAMPLED, phone.prompter.stream()):
        pass
    answer = phone.conversation.answer
    assert answer is not None
    return answer


class Rows:
    """The rows that an edge's worker was given, as they stood in the end."""

    def __init__(self, edge: RunningEdge) -> None:
        self.by_position: dict[int, torch.Tensor] = {}
        submit = edge.edge.worker.submit

        def submit_and_note(job: Job, reply: Reply, at_once: bool = False) -> None:
            for index, row in enumerate(job.rows.clone()):
                self.by_position[job.position + index] = row
            submit(job, reply, at_once)

        edge.edge.worker.submit = submit_and_note  # type: ignore[method-assign]  # to see them

    def taken(self) -> torch.Tensor:
        rows = torch.stack([self.by_position[at] for at in range(len(self.by_position))])
        self.by_position.clear()
        return rows


@pytest.mark.parametrize("tail", [None, 1])
def test_nothing_lost_gives_the_same_tokens_in_fewer_bytes(
    tail: int | None, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
) -> None:
    folder = checkpoint_folder("gemma3", torch.bfloat16)
    edge = running_edge(folder, "--sessions", 4)
    expected = ask(phone(folder, None)).ids
    costs = {}
    for name in ("raw", "lossless"):
        mine = phone(folder, edge.url, name, tail)
        answer = ask(mine)
        assert answer.ids == expected
        assert mine.link.status.encoding == name
        assert answer.traffic_before is not None
        assert answer.traffic_after is not None
        costs[name] = (answer.traffic_after.sent - answer.traffic_before.sent,
                       answer.traffic_after.received - answer.traffic_before.received)
    assert costs["lossless"][0] < costs["raw"][0]
    if tail is not None:
        assert costs["lossless"][1] < costs["raw"][1]


@pytest.mark.parametrize("name", NAMES)
def test_frames_carry_what_was_asked_for(
    name: str, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
) -> None:
    """Both ways in private mode; the edge gets what the bytes say, and no more than that."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    rows = Rows(edge)
    with Relay(edge.port) as relay:
        mine = phone(folder, relay.url, name, tail=1)
        ask(mine)
        streams = [bytes(getattr(relay.connections[0], way.value)) for way in Way]
    for stream, kind, expected in zip(
            streams, (FrameType.ROWS, FrameType.HIDDEN), (by_name(name), on_the_way_back(name)),
            strict=True):
        frames = [frame for frame in frames_of(stream) if frame.type is kind]
        assert len(frames) > TOKENS
        kinds = {(frame.dtype, frame.payload[0] if frame.dtype is Dtype.CODED else 0)
                 for frame in frames}
        plain, coded = (Dtype.F32, 0), (Dtype.CODED, expected.code)
        # Of one small row the exponents do not compress, and it goes as it is.
        allowed = {"raw": [{plain}], "lossless": [{plain, coded}, {coded}]}
        assert kinds in allowed.get(expected.name, [{coded}])
    assert len(rows.taken()) > TOKENS


def frames_of(stream: bytes) -> list[Frame]:
    return [decode(bytes(message.data)) for _, message in parsed(stream[boundaries(stream)[0]:])
            if message.opcode is Opcode.BINARY]


@pytest.mark.parametrize("name", ["int8", "int4", "int8-outliers", "topk", "delta", "lossless"])
def test_a_broken_link_changes_no_bit(
    name: str, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
) -> None:
    """Cut inside the prompt and between tokens, to the same edge and to one that knows nothing."""
    folder = checkpoint_folder("gemma3")
    first, second = running_edge(folder, "--sessions", 4), running_edge(folder, "--sessions", 4)
    rows, others = Rows(first), Rows(second)
    with Relay(first.port) as relay:
        expected = ask(phone(folder, relay.url, name)).ids
        stream = bytes(relay.connections[0].up)
    undisturbed = rows.taken()
    ends = boundaries(stream)
    places = [ends[4] - 3, ends[5], ends[-3] + 40]
    for place in places:
        with Relay(first.port, (Cut(Way.UP, place, How.RESET),)) as relay:
            mine = phone(folder, relay.url, name, piece=3)
            assert ask(mine).ids == expected
            assert (mine.link.status.resumed, mine.link.status.rebuilt) == (1, 0)
        assert torch.equal(rows.taken(), undisturbed)
    with Relay(first.port, (Cut(Way.UP, places[-1], How.RESET),)) as relay:
        mine = phone(folder, relay.url, name, piece=3)
        relay.port = second.port  # of every connection after the first
        assert ask(mine).ids == expected
        assert (mine.link.status.resumed, mine.link.status.rebuilt) == (0, 1)
    assert torch.equal(others.taken(), undisturbed)


def test_two_turns_of_one_conversation(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
) -> None:
    """The second starts in the middle of what was sent: a difference to a row that is void."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder, "--sessions", 4)
    rows = Rows(edge)
    mine = phone(folder, edge.url, "delta")
    ask(mine)
    ask(mine, TEXT[:30] + "what is the sea?")
    assert mine.conversation.answer is not None
    assert mine.conversation.answer.reused_tokens > 0
    assert len(rows.taken()) > TOKENS
    assert mine.link.status.resumed == mine.link.status.rebuilt == 0


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(NAMES)), min_size=1, max_size=8),
       st.integers(0, 30), st.integers(1, 5))
def test_what_is_sent_again_is_what_was_sent(
    chunks: list[tuple[int, str]], held: int, piece: int
) -> None:
    """However the encoding changed, from wherever the edge still has rows, in whatever pieces."""
    names = iter([name for _, name in chunks])
    encoder, ledger, edge = RowEncoder(choice=_Turns(names)), Ledger(), Chain()
    generator = torch.Generator().manual_seed(len(chunks))
    arrived: list[torch.Tensor] = []
    for count, _ in chunks:
        rows = torch.randn(count, 40, generator=generator).to(torch.bfloat16)
        packed = encoder.encode(ledger.end, rows)
        arrived.append(received(packed, edge, ledger.end))
        ledger.record(ledger.end, packed.rows, Flags.NONE, packed.again)
    before = torch.cat(arrived)
    again = [received(pack_again(ledger.rows(sent), sent.encoding), Chain(), sent.position)
             for sent in ledger.plan(held, piece)]
    after = torch.cat([before[:held], *again])
    assert torch.equal(after.view(torch.int16), before.view(torch.int16))


def received(packed: Packed, chain: Chain, position: int) -> torch.Tensor:
    """What an edge makes of it."""
    payload, (count, columns) = memoryview(packed.payload), packed.rows.shape
    rows = unpack(payload, packed.dtype, torch.bfloat16, count, columns, chain.before(position))
    chain.keep(position + count, rows)
    return rows


class _Turns(Choice):
    """Another encoding each time, as they are listed."""

    def __init__(self, names: Iterator[str]) -> None:
        super().__init__([Candidate("raw", 1.0, 0.0, 0.0)], 0.0)
        self._names = names

    @property
    def name(self) -> str:
        return next(self._names)

    @name.setter
    def name(self, _: str) -> None:
        pass  # what is chosen here is listed


def test_rows_that_are_no_numbers_go_as_they_are() -> None:
    """The edge is the one who says what is wrong with them."""
    rows = torch.full((1, 40), float("nan"))
    packed = RowEncoder("int8").encode(0, rows)
    assert (packed.dtype, packed.again) == (Dtype.F32, "raw")


def test_what_comes_back_stands_by_itself() -> None:
    for name, back in (("raw", "raw"), ("int8", "int8"), ("topk:9", "topk:9"), ("delta", "int8"),
                       ("delta:int4", "int8"), ("auto", "lossless")):
        assert on_the_way_back(name).name == back


def test_options_that_do_not_go_together(
    checkpoint_folder: MakeCheckpoint, phone: MakePhone
) -> None:
    for name, budget in (("auto", None), ("int8", 1.0), ("int9", None)):
        with pytest.raises(ConfigurationError) as caught:
            check(name, budget)
        assert caught.value.remedy
    with pytest.raises(ConfigurationError, match="--local sends no rows"):
        phone(checkpoint_folder("gemma3"), None, "int8")


@pytest.mark.parametrize(("back", "parameter", "what"), [
    (99, 0, "number 99"), (5, 0, "delta"), (1, 7, "no parameter")])
def test_an_edge_that_cannot_send_rows_back_so(
    back: int, parameter: int, what: str, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge,
) -> None:
    edge = running_edge(checkpoint_folder("gemma3"))
    hello = Hello(edge.edge.serving.identity, LayerRange(1, 3), Dtype.F32, Mode.PRIVATE,
                  back=back, back_parameter=parameter)
    with pytest.raises(SessionError, match=what) as caught:
        EdgeLink(LinkConfig(edge.url, patience=0), hello)
    assert caught.value.code == ErrorCode.WRONG_DTYPE


def test_the_link_is_measured_where_that_is_wanted(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone
) -> None:
    """On a real connection: prompts and tokens are told apart, and bytes counted."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    choice = Choice([Candidate("raw", 256.0, 0.0, 0.0)], 0.0)
    hello = Hello(edge.edge.serving.identity, LayerRange(1, LAYERS), Dtype.F32, Mode.TOKENS)
    link = EdgeLink(LinkConfig(edge.url), hello, encoder=RowEncoder(choice=choice))
    rows = torch.randn(40, 64, generator=torch.Generator().manual_seed(0))
    link.start(Sampling(), 0, 40)
    for at in range(0, 40, 8):
        link.send(at, rows[at : at + 8], Flags.RESULT_WANTED if at == 32 else Flags.NONE)
    link.receive()
    assert choice.link.step is None  # a prompt says nothing of a token
    for position in (40, 41, 42):
        link.send(position, rows[:1], Flags.RESULT_WANTED)
        link.receive()
    link.close()
    assert choice.link.step is not None
    assert choice.link.step < 20.0
    assert choice.link.rate is not None
    # Five frames of eight rows went, and no more than a second for each byte.
    assert 1.0 < choice.link.rate <= 40 * 64 * 4 * 2 / 0.5e-3


def test_choosing_from_the_models_table(
    checkpoint_folder: MakeCheckpoint, tmp_path: Path
) -> None:
    checkpoint = Checkpoint.open(checkpoint_folder("gemma3"))
    good, bad = Quality(66.0, 0.01, 1e-4, 10.0, 0.1, 0.05), Quality(40.0, 0.1, 0.1, 11.0, 9.0, 1.0)
    save(Table(identity_of(checkpoint), "fp32", "text", 100, {2: {
        "int8": good, "int4": bad, "lossless": good}}), tmp_path / TABLE_NAME)
    moments = iter(range(1000))
    encoder = encoder_for("auto", 1.0, checkpoint, [tmp_path], 2, torch.float32,
                          lambda: float(next(moments)))
    assert (encoder.name, encoder.adaptive) == ("raw", True)
    assert encoder._choice is not None
    assert {one.name: one.increase for one in encoder._choice.candidates} == {
        "raw": 0.0, "lossless": 0.0, "int8": pytest.approx(0.15)}
    with pytest.raises(ConfigurationError, match="Nobody has measured"):
        encoder_for("auto", 1.0, checkpoint, [], 2, torch.float32, lambda: 0.0)


@pytest.mark.parametrize(("dtype", "columns", "payload"), [
    (Dtype.F32, 32, bytes(3 * 32 * 4)), (Dtype.CODED, 32, b"\x01" + bytes(3 * (2 + 32))),
    (Dtype.BF16, 64, bytes(3 * 64 * 2)), (Dtype.CODED, 64, b"\x01" + b"\xff" * 3 * (2 + 64)),
    (Dtype.CODED, 64, b"\x63junk"), (Dtype.CODED, 64, b"\x05\x01\x01" + bytes(3 * (2 + 64)))])
def test_rows_that_come_back_wrong_are_the_one_error(
    dtype: Dtype, columns: int, payload: bytes
) -> None:
    def behave(wire: ServerConnection) -> None:
        welcome(wire)
        get(wire)
        wire.send(encode(Frame(FrameType.HIDDEN, SESSION, 0, 0, dtype, 3, columns,
                               payload=payload)))
        wait_for_the_end(wire)

    with scripted_edges() as edge_that:
        link = EdgeLink(replace(edge_that(behave), patience=0.0), Hello(
            "0a" * 32, LayerRange(1, 3), Dtype.F32, Mode.PRIVATE, back=1))
        link.send(0, torch.ones(3, 64), Flags.ALL_ROWS)
        with pytest.raises(FrameError):
            link.receive()
        link.close()
