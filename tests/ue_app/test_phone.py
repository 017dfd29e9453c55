"""A phone and a real edge over a real socket: answers are the unsplit model's, alone and not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.parts import open_folders, plan_parts, write_parts
from edge_server.errors import ConfigurationError, HashMismatch, SessionError
from edge_server.messages import ErrorCode
from tests.conftest import MakeCheckpoint, RunEdge
from tests.models import FAMILIES, LAYERS, save_model
from tests.ue_app.phone_scene import GREEDY, OPTIONS, SAMPLED, TEXT, MakePhone, ask, ask_turns
from ue_app.generate import Finish
from ue_app.phone import PhoneConfig, placement_of
from ue_app.prompt import Turn
from ue_app.wire import LinkConfig


@pytest.mark.parametrize(("split", "tail"), [
    (0, None), (1, None), (2, None), (4, None), (1, 1), (1, 3), (2, 2), (1, 0), (4, 0)])
@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_the_answer_is_the_unsplit_one(
    backend: str, split: int, tail: int | None, running_edge: RunEdge,
    checkpoint_folder: MakeCheckpoint, phone: MakePhone,
) -> None:
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder, "--backend", backend)
    options = replace(OPTIONS, backend=backend)
    apart = phone(folder, edge.url, split=split, tail=tail, engine=options)
    whole = phone(folder, engine=options)
    for sampling in (GREEDY, SAMPLED):
        expected = ask(whole, sampling=sampling)
        answer = ask(apart, sampling=sampling)
        assert (answer.ids, answer.text, answer.finish) == (
            expected.ids, expected.text, expected.finish)
        assert len(set(answer.ids)) > 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_and_type(
    family: str, dtype: torch.dtype, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint,
    phone: MakePhone,
) -> None:
    folder = checkpoint_folder(family, dtype)
    edge = running_edge(folder)
    expected = ask(phone(folder), sampling=SAMPLED)
    assert ask(phone(folder, edge.url, split=2), sampling=SAMPLED).ids == expected.ids
    assert ask(phone(folder, edge.url, split=1, tail=2), sampling=SAMPLED).ids == expected.ids


def test_int8(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, phone: MakePhone
) -> None:
    folder = checkpoint_folder("gemma3", torch.bfloat16)
    edge = running_edge(folder, "--dtype", "int8")
    options = replace(OPTIONS, precision="int8")
    expected = ask(phone(folder, engine=options))
    assert ask(phone(folder, edge.url, split=2, engine=options)).ids == expected.ids
    # Rows of int8 are bf16: a phone in bf16 may use an int8 edge.
    assert ask(phone(folder, edge.url, split=2)).finish is not None


def test_parts_on_both_sides(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, phone: MakePhone, tmp_path: Path
) -> None:
    """Each side has only its own folder; the phone's tells how it is cut."""
    whole = Checkpoint.open(checkpoint_folder("llama"))
    expected = ask(phone(whole.folder)).ids
    head, tail = write_parts(whole, plan_parts([3], LAYERS, False), tmp_path / "plain")
    mine = phone(head, running_edge(tail).url)
    assert mine.placement.first.end == 3
    assert mine.place() == "layers [0, 3) here, [3, 4) at the edge"
    assert ask(mine).ids == expected
    ends, middle = write_parts(whole, plan_parts([1, 2], LAYERS, True), tmp_path / "private")
    mine = phone(ends, running_edge(middle).url)
    assert mine.placement.private
    assert mine.place() == "layers [0, 1) here and [2, 4), [1, 2) at the edge"
    assert ask(mine).ids == expected


def test_joined_parts_run_as_the_whole(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, phone: MakePhone, tmp_path: Path
) -> None:
    whole = Checkpoint.open(checkpoint_folder("gemma3"))
    expected = ask(phone(whole.folder)).ids
    parts = write_parts(whole, plan_parts([1, 3], LAYERS, False), tmp_path)
    local = phone(parts)
    assert local.place() == "all layers here"
    assert ask(local).ids == expected
    apart = phone(parts, running_edge(whole.folder).url)
    assert not apart.placement.private
    assert ask(apart).ids == expected
    assert ask(phone(parts[:2], running_edge(parts[2]).url, split=3)).ids == expected


def test_where_layers_run_by_default(checkpoint_folder: MakeCheckpoint, tmp_path: Path) -> None:
    whole = Checkpoint.open(checkpoint_folder("gemma"))
    link = LinkConfig("http://edge.example")
    config = PhoneConfig((whole.folder,), link)
    assert placement_of(whole, config).first.end == 1
    assert placement_of(whole, replace(config, split=3)).first.end == 3
    assert placement_of(whole, replace(config, link=None)).remote.end == LAYERS
    plain = write_parts(whole, plan_parts([2], LAYERS, False), tmp_path / "plain")
    assert placement_of(Checkpoint.open(plain[0]), config).first.end == 2
    with pytest.raises(ConfigurationError, match=r"layers \[2, 4\) of 4.*needs the head"):
        placement_of(Checkpoint.open(plain[1]), config)
    private = write_parts(whole, plan_parts([1, 2], LAYERS, True), tmp_path / "private")
    placement = placement_of(Checkpoint.open(private[0]), config)
    assert (placement.first.end, placement.remote.end) == (1, 2)
    with pytest.raises(ConfigurationError, match="needs the head"):
        placement_of(Checkpoint.open(private[1]), config)


@pytest.mark.parametrize(("changes", "said"), [
    ({"split": 9}, "--split from 0 to 4"), ({"split": -1}, "--split from 0 to 4"),
    ({"split": 3, "tail": 2}, "--split from 0 to 2"), ({"tail": 9}, "--tail from 0 to 4"),
    ({"tail": 1, "link": None}, "Leave out --private or --local")])
def test_placements_that_cannot_be(
    changes: dict[str, Any], said: str, checkpoint_folder: MakeCheckpoint
) -> None:
    config = PhoneConfig((checkpoint_folder("gemma"),), LinkConfig("http://edge.example"))
    with pytest.raises(ConfigurationError, match=said):
        placement_of(open_folders(config.models), replace(config, **changes))


def test_another_model_at_the_edge(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, phone: MakePhone, tmp_path: Path
) -> None:
    save_model(tmp_path, "gemma3", seed=5)
    edge = running_edge(tmp_path)
    folder = checkpoint_folder("gemma3")
    with pytest.raises(HashMismatch, match=r"differ.*split it once") as got:
        phone(folder, edge.url)
    assert str(folder) in got.value.problem
    assert edge.url in got.value.problem


def test_layers_that_the_edge_does_not_hold(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, phone: MakePhone
) -> None:
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder, "--layers", "2:4")
    with pytest.raises(SessionError, match=r"needs layers \[1, 4\).*--split 2") as got:
        phone(folder, edge.url, split=1)
    assert got.value.code == ErrorCode.WRONG_LAYERS
    assert ask(phone(folder, edge.url, split=2)).finish is Finish.LENGTH


def test_two_phones_at_once_get_what_each_gets_alone(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, phone: MakePhone
) -> None:
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    questions = [(TEXT, GREEDY, {"split": 1}), ("who are you?", SAMPLED, {"split": 1}),
                 (TEXT, SAMPLED, {"split": 1, "tail": 1}), ("the sea", GREEDY, {"split": 3})]
    expected = [ask(phone(folder), text, sampling).ids for text, sampling, _ in questions]
    phones = [phone(folder, edge.url, **placement) for _, _, placement in questions]
    got: list[list[list[int]]] = [[] for _ in questions]
    together = threading.Barrier(len(questions))

    def run(index: int) -> None:
        text, sampling, _ = questions[index]
        for _ in range(3):
            together.wait(60)
            got[index].append(ask(phones[index], text, sampling).ids)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(questions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [[ids] * 3 for ids in expected]


@pytest.mark.parametrize("tail", [None, 1])
@pytest.mark.parametrize("after", [0, 1, 5])
def test_cancelled_in_the_middle_and_asked_again(
    after: int, tail: int | None, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint,
    phone: MakePhone,
) -> None:
    """Another question then gets exactly the answer that a fresh phone gets."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    mine = phone(folder, edge.url, split=1, tail=tail)
    fresh = ask(phone(folder), "go out into the world", SAMPLED)
    pieces = mine.conversation.ask(mine.prompter.encode_turns([Turn("user", TEXT)]), GREEDY,
                                   mine.prompter.stream())
    for _ in range(after):
        next(pieces)
    pieces.close()
    mine.conversation.cancel()
    if after:
        assert mine.conversation.answer is not None
        assert mine.conversation.answer.finish is Finish.CANCELLED
    assert ask(mine, "go out into the world", SAMPLED).ids == fresh.ids
    assert ask(mine).ids == ask(phone(folder)).ids
    assert len(edge.edge.sessions) == 1  # the link was not built anew


@pytest.mark.parametrize("tail", [None, 1])
@pytest.mark.parametrize("call", range(1, 9))
def test_interrupted_anywhere_and_asked_again(
    call: int, tail: int | None, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint,
    phone: MakePhone, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C before or after the socket's `call`th use, in prompt or answer."""
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    mine = phone(folder, edge.url, split=1, tail=tail)
    for when in ("before", "after"):
        left = [call]

        def interrupted(original: Callable[..., Any], when: str = when, left: list[int] = left
                        ) -> Callable[..., Any]:
            def act(*arguments: Any) -> Any:
                left[0] -= 1
                if not left[0] and when == "before":
                    raise KeyboardInterrupt
                result = original(*arguments)
                if not left[0]:
                    raise KeyboardInterrupt
                return result
            return act

        with monkeypatch.context() as patch:
            for name in ("send", "receive"):
                patch.setattr(mine.link, name, interrupted(getattr(mine.link, name)))
            with pytest.raises(KeyboardInterrupt):
                ask(mine)
        mine.conversation.cancel()
        assert ask(mine, "go out into the world", SAMPLED).ids == ask(
            phone(folder), "go out into the world", SAMPLED).ids


def test_a_conversation_sends_only_what_is_new(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, phone: MakePhone
) -> None:
    """Turns through the chat template: rows on the wire, and the answer of one who sends all."""
    folder = checkpoint_folder("gemma3")
    mine = phone(folder, running_edge(folder).url, split=1, max_new_tokens=6)
    turns = [Turn("user", TEXT)]
    first = ask_turns(mine, turns)
    turns += [Turn("assistant", first.text), Turn("user", "and the sea?")]
    second = ask_turns(mine, turns)
    assert second.ids == ask_turns(phone(folder, max_new_tokens=6), turns).ids
    ids = mine.prompter.encode_turns(turns)
    held = mine.prompter.encode_turns(turns[:1]) + first.ids[:-1]
    common = next((at for at, (one, other) in enumerate(zip(held, ids, strict=False))
                   if one != other), min(len(held), len(ids)))
    assert second.reused_tokens == common >= first.prompt_tokens
    assert second.prompt_tokens == len(ids)
    chunks = -(-(len(ids) - common) // 8)
    assert second.traffic_before is not None
    assert second.traffic_after_prompt is not None
    sent = second.traffic_after_prompt.sent - second.traffic_before.sent
    rows = (len(ids) - common) * 64 * 4
    # Per chunk a frame's header and a WebSocket's; and the frame that says how to choose.
    assert rows + chunks * 32 < sent <= rows + chunks * (32 + 14) + 32 + 44 + 14


@pytest.mark.parametrize("stop", ["eos", "string"])
def test_answers_that_end_by_themselves(
    stop: str, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, phone: MakePhone
) -> None:
    folder = checkpoint_folder("gemma3")
    edge = running_edge(folder)
    whole = ask(phone(folder), sampling=SAMPLED)
    if stop == "string":
        mark = whole.text[4:7]
        answer = ask(phone(folder, edge.url), sampling=SAMPLED, stop=[mark])
        assert (answer.finish, answer.text) == (Finish.STOP, whole.text[: whole.text.find(mark)])
        return
    mine = phone(folder, edge.url)
    object.__setattr__(mine.conversation._limits, "stop_ids", frozenset({whole.ids[3]}))
    answer = ask(mine, sampling=SAMPLED)
    end = whole.ids.index(whole.ids[3]) + 1
    assert (answer.finish, answer.ids) == (Finish.EOS, whole.ids[:end])
    assert answer.text == mine.prompter.decode(whole.ids[: end - 1])


def test_the_smaller_context_counts(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, phone: MakePhone
) -> None:
    folder = checkpoint_folder("gemma3")
    mine = phone(folder, running_edge(folder, "--context", 50).url, max_new_tokens=99)
    answer = ask(mine, "who are you?")
    assert answer.finish is Finish.CONTEXT
    assert answer.prompt_tokens + len(answer.ids) == 51
    with pytest.raises(ConfigurationError, match="50 fit"):
        ask(mine, TEXT * 3)


def test_chunks_are_no_larger_than_the_edge_takes(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, phone: MakePhone
) -> None:
    folder = checkpoint_folder("gemma3")
    options = replace(OPTIONS, capacity=1000)
    edge = running_edge(folder, "--context", 1000)
    mine = phone(folder, edge.url, chunk=999, engine=options)
    answer = ask(mine, TEXT * 16)
    assert answer.prompt_tokens > 300  # and the edge takes 256 rows a frame
    assert answer.ids == ask(phone(folder, engine=options), TEXT * 16).ids
