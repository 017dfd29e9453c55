"""The mobile link drops, edges die and come back: answers are those of an undisturbed run."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from edge_server.engine.load import EngineOptions
from edge_server.frame import FrameType, decode, encode
from edge_server.messages import Sampling
from edge_server.metrics import Gauges
from edge_server.session import Job
from edge_server.worker import Reply
from tests.conftest import MakeCheckpoint, RunEdge, RunningEdge
from tests.faults import Cut, How, Relay, Way, boundaries
from ue_app.generate import Answer, Finish
from ue_app.phone import Phone, PhoneConfig, open_phone
from ue_app.prompt import Turn
from ue_app.wire import LinkConfig

SAMPLED = Sampling(temperature=0.9, top_k=40, top_p=0.95, repetition_penalty=1.2, seed=11)
TEXT = "the old king said to his son: go out into the world, who are you? it was dark"
TOKENS = 8
# No pings of its own accord: a recorded stream is then the same every time.
LINK = LinkConfig("", probe_interval=1e6, dead_after=20.0, patience=20.0)
OPTIONS = EngineOptions("auto", "auto", 1, 256, 1)
MakePhone = Callable[..., Phone]


@pytest.fixture
def phone() -> Iterator[MakePhone]:
    """`phone(folder, url)` asks over `url`; without one every layer runs in it."""
    opened: list[Phone] = []

    def make(folder: Path, *urls: str, link: LinkConfig = LINK, tail: int | None = None) -> Phone:
        config = PhoneConfig((folder,), replace(link, url=urls[0], others=urls[1:])
                             if urls else None,
                             OPTIONS, split=1, tail=tail, max_new_tokens=TOKENS, chunk=8)
        opened.append(open_phone(config))
        return opened[-1]

    yield make
    for each in opened:
        each.link.close()


def ask(phone: Phone, text: str = TEXT, each: Callable[[int], None] = lambda _: None) -> Answer:
    """The answer; `each` is called after every token with how many there are."""
    ids = phone.prompter.encode_turns([Turn("user", text)])
    for _ in phone.conversation.ask(ids, SAMPLED, phone.prompter.stream()):
        assert phone.conversation.answer is not None
        each(len(phone.conversation.answer.ids))
    answer = phone.conversation.answer
    assert answer is not None
    return answer


@pytest.fixture
def expected(checkpoint_folder: MakeCheckpoint, phone: MakePhone) -> list[int]:
    """The tokens of the unsplit model."""
    return ask(phone(checkpoint_folder("gemma3"))).ids


MODES = [None, 1, 0]  # the edge chooses; the phone has a last layer; the phone has the head alone


@pytest.mark.parametrize("tail", MODES)
@pytest.mark.parametrize("way", list(Way))
def test_a_cut_at_every_place(
    way: Way, tail: int | None, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge,
    phone: MakePhone, expected: list[int],
) -> None:
    """At every end of a frame, inside its header, inside its payload, both ways."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder, "--sessions", 4)
    with Relay(edge.port) as relay:
        assert ask(phone(folder, relay.url, tail=tail)).ids == expected
        stream = bytes(getattr(relay.connections[0], way.value))
    ends = boundaries(stream)
    first = 1 if way is Way.UP else 0  # HELLO and WELCOME may be lost too
    places = sorted({place for start, end in zip(ends[first:], ends[first + 1:], strict=False)
                     for place in (start, start + 9, end - 3)} | {ends[-1]})
    assert len(places) > 2 * TOKENS
    for number, place in enumerate(places):
        how = (How.RESET, How.CLOSE)[number % 2]
        with Relay(edge.port, (Cut(way, place, how),)) as relay:
            mine = phone(folder, relay.url, tail=tail)
            assert ask(mine).ids == expected, place
            status = mine.link.status
            assert status.rebuilt == 0, place
            again = len(relay.connections) - 1
            # Cut where WELCOME is just on its way, the session was the phone's already or not.
            assert status.resumed == again if place > ends[1] else status.resumed <= again, place
            mine.link.close()
    assert httpx.get(f"{edge.url}/readyz", timeout=30.0).status_code == 200


def test_a_link_that_breaks_again_and_again(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    expected: list[int],
) -> None:
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    generator = random.Random(5)
    for _ in range(20):
        cuts = tuple(Cut(generator.choice(list(Way)), generator.randrange(600, 3000))
                     for _ in range(6))
        with Relay(edge.port, (None, *cuts)) as relay:
            mine = phone(folder, relay.url)
            ask(mine, "go")
            relay.sever()
            assert ask(mine).ids == expected
            mine.link.close()


def test_a_long_prompt_over_a_link_that_never_lasts(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
) -> None:
    """Each connection gets a few rows further: that is no reason to give up, or to go slower."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    text = " ".join([TEXT] * 6)
    expected = ask(phone(folder), text).ids
    with Relay(edge.port, (Cut(Way.UP, 6000),) * 40) as relay:
        mine = phone(folder, relay.url, link=replace(LINK, piece=8))
        assert ask(mine, text).ids == expected
        assert 4 < mine.link.status.resumed < 40


def test_nothing_is_computed_twice(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    expected: list[int],
) -> None:
    """A session that is taken up again has its prompt: at most one row is run once more."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    jobs = jobs_of(edge)
    with Relay(edge.port) as relay:
        mine = phone(folder, relay.url)
        answer = ask(mine, each=lambda count: relay.sever() if count == 4 else None)
    assert answer.ids == expected
    assert mine.link.status.resumed == 1
    assert sum(jobs) <= answer.prompt_tokens + TOKENS - 1 + 1


def test_a_link_that_falls_silent(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    expected: list[int],
) -> None:
    """No end of the connection is ever seen: pings that nobody answers tell it."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    link = replace(LINK, probe_interval=0.2, dead_after=1.0)
    for way in Way:
        with Relay(edge.port, (Cut(way, 2500 if way is Way.UP else 420, How.SILENCE),)) as relay:
            mine = phone(folder, relay.url, link=link)
            assert ask(mine).ids == expected
            assert mine.link.status.resumed == 1
            mine.link.close()


@pytest.mark.parametrize("during", ["prompt", "answer", "pause"])
def test_another_edge_steps_in(
    during: str, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    expected: list[int],
) -> None:
    folder = checkpoint_folder("gemma3")
    one, other = running_edge(folder), running_edge(folder)
    cut = Cut(Way.UP, 2500) if during == "prompt" else None
    gone = (Cut(Way.UP, 0),) * 100
    with Relay(one.port, (cut, *gone)) as relay:
        mine = phone(folder, relay.url, other.url)
        if during == "pause":
            ask(mine, "go")
            relay.sever()
        answer = ask(mine, each=lambda count: relay.sever()
                     if count == 4 and during == "answer" else None)
        assert answer.ids == expected
        assert mine.link.status.edge == other.url
        assert mine.link.status.rebuilt == 1


def test_a_private_answer_goes_on_at_another_edge(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    expected: list[int],
) -> None:
    folder = checkpoint_folder("gemma3")
    one, other = running_edge(folder), running_edge(folder)
    for after in (1500, 2500, 6000):
        with Relay(one.port, (Cut(Way.UP, after), *(Cut(Way.UP, 0),) * 100)) as relay:
            mine = phone(folder, relay.url, other.url, tail=1)
            assert ask(mine).ids == expected
            assert mine.link.status.rebuilt == 1
            mine.link.close()


def test_idle_sessions_are_evicted_and_the_phone_does_not_notice(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
) -> None:
    """Also when the edge's clock jumps, forwards and back."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    mine, whole = phone(folder, edge.url), phone(folder)
    desk, clock = edge.edge.desk, edge.edge.desk.clock
    follow_up = [Turn("user", TEXT)]
    for turn, jump in enumerate((1e6, -1e6, 3e9)):
        answers = [answer_to(each, follow_up) for each in (mine, whole)]
        assert answers[0].ids == answers[1].ids
        follow_up += [Turn("assistant", answers[0].text), Turn("user", f"and then, {turn}?")]
        desk.clock = lambda jump=jump: clock() + jump  # type: ignore[misc]  # its default is it
        if jump > 0:
            assert edge.closed.acquire(timeout=30.0)
            assert len(edge.edge.sessions) == 0
    answers = [answer_to(each, follow_up) for each in (mine, whole)]
    assert answers[0].ids == answers[1].ids
    assert mine.link.status.rebuilt == 2
    assert answers[0].reused_tokens > 0  # the phone itself had forgotten nothing


def test_rows_over_the_rate_wait(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
) -> None:
    """Beyond a token's rate rows are refused for a while; the answers are what they were."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder, "--rate", 120)
    mine, whole = phone(folder, edge.url), phone(folder)
    words = TEXT.split()
    for turn in range(12):  # far more rows than may come at once
        text = " ".join(words[turn:] + words[:turn])
        assert ask(mine, text).ids == ask(whole, text).ids
    assert b'airsplit_refusals_total{code="too_fast"}' in edge.edge.metrics.render(Gauges(0.0))
    assert (mine.link.status.resumed, mine.link.status.rebuilt) == (0, 0)


Change = Callable[[list[bytes], int], list[bytes]]  # the messages so far, and a random number


def tampering(change: Change, seed: int, share: float = 0.3) -> Callable[[bytes], list[bytes]]:
    """Apply `change` to some of the ROWS and START frames that pass."""
    generator, passed = random.Random(seed), list[bytes]()

    def tamper(message: bytes) -> list[bytes]:
        passed.append(message)
        kind = decode(message).type
        if kind not in (FrameType.ROWS, FrameType.START) or generator.random() > share:
            return [message]
        return change(passed, generator.getrandbits(32))

    return tamper


def twice(passed: list[bytes], _: int) -> list[bytes]:
    return [passed[-1]] * 2


def earlier_again(passed: list[bytes], number: int) -> list[bytes]:
    again = [each for each in passed if decode(each).type is FrameType.ROWS]
    return [*([again[number % len(again)]] if again else []), passed[-1]]


def damaged(passed: list[bytes], number: int) -> list[bytes]:
    message = bytearray(passed[-1])
    message[number % len(message)] ^= 1 << (number >> 28) % 8
    return [bytes(message)]


def lost(passed: list[bytes], number: int) -> list[bytes]:
    """A frame goes missing where the phone sends more after it, so that the edge can tell."""
    return [] if not decode(passed[-1]).flags else [passed[-1]]


def of_an_earlier_epoch(passed: list[bytes], number: int) -> list[bytes]:
    frame = decode(passed[-1])
    return [encode(replace(frame, epoch=(frame.epoch - 1 - number % 30000) % 65536)), passed[-1]]


@pytest.mark.parametrize("change", [
    twice, earlier_again, damaged, lost, of_an_earlier_epoch])
@pytest.mark.parametrize("tail", [None, 1])
def test_frames_that_are_tampered_with(
    change: Change, tail: int | None, checkpoint_folder: MakeCheckpoint, running_edge: RunEdge,
    phone: MakePhone, expected: list[int],
) -> None:
    """Repeated, replayed, damaged, lost or foreign frames: the answer stays what it was."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    bystander, whole = phone(folder, edge.url), phone(folder)
    share = 0.1 if change is damaged else 0.3
    for seed in range(4):
        with Relay(edge.port, tamper=tampering(change, seed, share)) as relay:
            mine = phone(folder, relay.url, tail=tail)
            assert ask(mine).ids == expected
            mine.link.close()
        assert httpx.get(f"{edge.url}/readyz", timeout=30.0).status_code == 200
        assert ask(bystander, f"go {seed}").ids == ask(whole, f"go {seed}").ids
        assert (bystander.link.status.resumed, bystander.link.status.rebuilt) == (0, 0)


def test_frames_out_of_order(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    expected: list[int],
) -> None:
    """Held back and let go after the frame that follows: START behind rows, rows behind rows."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    swapped = 0
    for seed in range(6):
        generator, held = random.Random(seed), list[bytes]()

        def tamper(
            message: bytes, generator: random.Random = generator, held: list[bytes] = held
        ) -> list[bytes]:
            nonlocal swapped
            if held:
                swapped += 1
                return [message, held.pop()]
            frame = decode(message)
            if frame.type in (FrameType.START, FrameType.ROWS) and not frame.flags and (
                    generator.random() < 0.4):  # another frame follows such a one
                held.append(message)
                return []
            return [message]

        with Relay(edge.port, tamper=tamper) as relay:
            mine = phone(folder, relay.url)
            assert ask(mine).ids == expected
            mine.link.close()
    assert swapped > 6
    assert httpx.get(f"{edge.url}/readyz", timeout=30.0).status_code == 200


def test_frames_replayed_from_another_session(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    expected: list[int],
) -> None:
    """Real ones, of a phone that is served at the same time: neither answer changes."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    foreign: list[bytes] = []

    def record(message: bytes) -> list[bytes]:
        foreign.append(message)
        return [message]

    def replayed(passed: list[bytes], number: int) -> list[bytes]:
        return [foreign[1:][number % (len(foreign) - 1)], passed[-1]]  # HELLO is none of them

    with Relay(edge.port, tamper=record) as other_relay:
        other, whole = phone(folder, other_relay.url), phone(folder)
        assert ask(other, "go").ids == ask(whole, "go").ids
        kept = list(foreign)
        resumed = 0
        for seed in range(4):
            foreign[:] = kept
            with Relay(edge.port, tamper=tampering(replayed, seed, 0.1)) as relay:
                mine = phone(folder, relay.url)
                assert ask(mine).ids == expected
                resumed += mine.link.status.resumed
                mine.link.close()
            assert ask(other, f"{TEXT} {seed}").ids == ask(whole, f"{TEXT} {seed}").ids
        assert resumed  # a foreign frame ends the connection, not the session
        assert (other.link.status.resumed, other.link.status.rebuilt) == (0, 0)
    assert httpx.get(f"{edge.url}/readyz", timeout=30.0).status_code == 200


def test_stop_is_heard_while_the_link_is_away(
    checkpoint_folder: MakeCheckpoint, running_edge: RunEdge, phone: MakePhone,
    expected: list[int],
) -> None:
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    refused = (Cut(Way.UP, 0),) * 3
    with Relay(edge.port, (None, *refused)) as relay:
        mine = phone(folder, relay.url, link=replace(LINK, patience=1e6))

        def at(count: int) -> None:
            if count == 3:
                relay.sever()
                threading.Timer(0.3, mine.link.interrupted.set).start()

        with Relay(edge.port, (Cut(Way.UP, 0),) * 10_000) as wall:
            relay.port = wall._listener.getsockname()[1]
            answer = ask(mine, each=at)
            assert answer.finish == Finish.CANCELLED
            mine.conversation.cancel()
        relay.port = edge.port
        assert ask(mine).ids == expected


def answer_to(phone: Phone, turns: list[Turn]) -> Answer:
    ids = phone.prompter.encode_turns(turns)
    for _ in phone.conversation.ask(ids, SAMPLED, phone.prompter.stream()):
        pass
    assert phone.conversation.answer is not None
    return replace(phone.conversation.answer)


def jobs_of(edge: RunningEdge) -> list[int]:
    """Rows of each job that the edge's worker is given from now on."""
    submit, sizes = edge.edge.worker.submit, list[int]()

    def counted(job: Job, reply: Reply, at_once: bool = False) -> None:
        sizes.append(len(job.rows))
        submit(job, reply, at_once)

    edge.edge.worker.submit = counted  # type: ignore[method-assign]  # to see it
    return sizes
