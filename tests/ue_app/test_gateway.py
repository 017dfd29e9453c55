"""The gateway through the real `openai` client, over HTTP on loopback: whole, streamed, refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import openai
import pytest
import torch
import uvicorn

from edge_server.command import listen
from edge_server.engine.load import EngineOptions
from edge_server.messages import Sampling
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint, RunEdge
from tests.models import LAYERS
from ue_app.gateway import create_gateway
from ue_app.phone import PhoneConfig, open_phone
from ue_app.prompt import Turn
from ue_app.service import Service
from ue_app.wire import LinkConfig

ENGINE = EngineOptions("reference", "fp32", 1, 256, 1)
QUESTION = "who are you?"


@pytest.fixture(scope="module")
def folder(checkpoint_folder: MakeCheckpoint) -> Path:
    return checkpoint_folder("gemma3")


def serve(service: Service) -> Iterator[openai.OpenAI]:
    """A client of a gateway over `service`."""
    listener = listen("127.0.0.1", 0, allow_anyone=False)
    server = uvicorn.Server(uvicorn.Config(create_gateway(service, "tiny", {}),
                                           log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1",
                           api_key="none", max_retries=0) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        service.close()


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[openai.OpenAI]:
    yield from serve(Service(PhoneConfig((folder,), None, ENGINE)))


def expected(folder: Path, turns: tuple[Turn, ...], tokens: int) -> tuple[str, int]:
    """The greedy answer and the prompt's length, from the loop itself."""
    phone = open_phone(PhoneConfig((folder,), None, ENGINE, max_new_tokens=tokens))
    ids = phone.prompter.encode_turns(turns)
    text = "".join(phone.conversation.ask(ids, Sampling(), phone.prompter.stream()))
    return text, len(ids)


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "airsplit"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_a_chat_whole(client: openai.OpenAI, folder: Path) -> None:
    answer = client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": QUESTION}], max_tokens=9,
        temperature=0)
    text, prompt = expected(folder, (Turn("user", QUESTION),), 9)
    assert answer.choices[0].message.content == text
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (prompt, 9)
    assert answer.usage.total_tokens == prompt + 9


def test_a_chat_streamed_is_the_same(client: openai.OpenAI, folder: Path) -> None:
    chunks = list(client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": QUESTION}], max_tokens=9,
        temperature=0, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == expected(folder, (Turn("user", QUESTION),), 9)[0]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 9
    assert len({chunk.id for chunk in chunks}) == 1


def test_turns_and_parts(client: openai.OpenAI, folder: Path) -> None:
    turns = (Turn("user", QUESTION), Turn("assistant", "the king"), Turn("user", "who?"))
    answer = client.chat.completions.create(
        model="tiny", max_tokens=5, temperature=0,
        messages=[{"role": "user", "content": QUESTION},
                  {"role": "assistant", "content": "the king"},
                  {"role": "user", "content": [{"type": "text", "text": "who"},
                                               {"type": "text", "text": "?"}]}])
    assert answer.choices[0].message.content == expected(folder, turns, 5)[0]


def test_a_plain_completion(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="tiny", prompt="the old king", max_tokens=7,
                                      temperature=0)
    chunks = client.completions.create(model="tiny", prompt="the old king", max_tokens=7,
                                       temperature=0, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 7


def test_a_seed_repeats_and_another_differs(client: openai.OpenAI) -> None:
    def ask(seed: int) -> str:
        return client.completions.create(model="tiny", prompt="the old king", max_tokens=20,
                                         temperature=1.5, seed=seed).choices[0].text
    assert ask(5) == ask(5)
    assert len({ask(seed) for seed in range(5)}) > 1


def test_a_stop_string_ends_the_answer(client: openai.OpenAI, folder: Path) -> None:
    text, _ = expected(folder, (Turn("user", QUESTION),), 12)
    stop = text[4:6]
    answer = client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": QUESTION}], max_tokens=12,
        temperature=0, stop=[stop])
    assert answer.choices[0].message.content == text[:text.index(stop)]
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(("extra", "named"), [
    ({"n": 2}, "n"), ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"), ({"temperature": -1}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"), ({"stop": ["x"] * 65}, "stop"),
])
def test_what_cannot_be_honoured_is_refused_by_name(
    client: openai.OpenAI, extra: dict[str, object], named: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=named):
        client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "hi"}],
            **extra)  # type: ignore[call-overload]  # wrong on purpose


def test_another_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="offers 'tiny'"):
        client.completions.create(model="gpt-9", prompt="hi")


def test_a_system_turn_that_the_template_refuses(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="System role not supported"):
        client.chat.completions.create(
            model="tiny", messages=[{"role": "system", "content": "be brief"},
                                    {"role": "user", "content": "hi"}])


def test_too_long_a_prompt(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="256 fit"):
        client.completions.create(model="tiny", prompt="the king " * 400)


def test_a_stream_left_early_frees_the_phone(client: openai.OpenAI, folder: Path) -> None:
    stream = client.completions.create(model="tiny", prompt="the old king", max_tokens=200,
                                       temperature=0, stream=True)
    next(iter(stream))
    stream.close()
    answer = client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": QUESTION}], max_tokens=9,
        temperature=0)
    assert answer.choices[0].message.content == expected(
        folder, (Turn("user", QUESTION),), 9)[0]


def test_two_clients_at_once_get_their_own_answers(client: openai.OpenAI, folder: Path) -> None:
    answers: dict[str, str] = {}

    def ask(text: str) -> None:
        answers[text] = client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": text}], max_tokens=9,
            temperature=0).choices[0].message.content or ""

    threads = [threading.Thread(target=ask, args=(text,)) for text in (QUESTION, "the sea")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {text: expected(folder, (Turn("user", text),), 9)[0]
                       for text in (QUESTION, "the sea")}


def test_no_edge_is_a_clear_error(folder: Path) -> None:
    closed = listen("127.0.0.1", 0, allow_anyone=False)
    port = closed.getsockname()[1]
    closed.close()
    service = Service(PhoneConfig((folder,), LinkConfig(f"http://127.0.0.1:{port}"), ENGINE))
    for client in serve(service):
        with pytest.raises(openai.InternalServerError, match="No edge answers"):
            client.completions.create(model="tiny", prompt="hi")


def scored(client: openai.OpenAI, **options: Any) -> list[Any]:
    """The log-probabilities of a greedy chat answer."""
    answer = client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": QUESTION}], max_tokens=6,
        temperature=0, logprobs=True, top_logprobs=3, **options)
    if not options:
        assert answer.choices[0].logprobs is not None
        return list(answer.choices[0].logprobs.content or ())
    return [entry for chunk in answer for choice in chunk.choices if choice.logprobs
            for entry in choice.logprobs.content or ()]


def alike(some: list[Any], others: list[Any]) -> bool:
    """The same tokens as likely; a prompt that was partly held already rounds differently."""
    return ([each.token for each in some] == [each.token for each in others]
            and [each.logprob for each in some] == pytest.approx(
                [each.logprob for each in others], abs=1e-4))


def test_log_probabilities(client: openai.OpenAI, folder: Path) -> None:
    """They are the model's own, and a stream has the same."""
    phone = open_phone(PhoneConfig((folder,), None, ENGINE, max_new_tokens=6))
    ids = phone.prompter.encode_turns((Turn("user", QUESTION),))
    entries = scored(client)
    assert len(entries) == 6
    rows = phone.engine.embedding().rows(ids)
    rows = phone.engine.stage(LayerRange(0, LAYERS)).forward(
        [0] * len(ids), range(len(ids)), rows)
    first = torch.log_softmax(phone.engine.output().logits(rows[-1:])[0], dim=-1)
    assert entries[0].logprob == pytest.approx(float(first.max()), abs=1e-4)
    for entry in entries:
        assert entry.top_logprobs[0].logprob == entry.logprob  # greedy
        assert len(entry.top_logprobs) == 3
        assert entry.logprob >= entry.top_logprobs[1].logprob >= entry.top_logprobs[2].logprob
    assert alike(scored(client, stream=True), entries)
    text = expected(folder, (Turn("user", QUESTION),), 6)[0]
    assert b"".join(bytes(entry.bytes) for entry in entries).decode() == text


def test_log_probabilities_of_a_plain_completion(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="tiny", prompt="the old king", max_tokens=5,
                                       temperature=0, logprobs=2)
    scores = answer.choices[0].logprobs
    assert scores is not None
    printed = "".join(scores.tokens or ()).removeprefix("<start_of_turn>")  # text has no such marks
    assert printed.strip() == answer.choices[0].text.strip()
    assert scores.text_offset == list(accumulate(map(len, (scores.tokens or [])[:-1]), initial=0))
    assert [max(top.values()) for top in scores.top_logprobs or ()] == scores.token_logprobs


def test_log_probabilities_that_the_edge_keeps(folder: Path, running_edge: RunEdge) -> None:
    """In private mode the phone has them; else the edge does, and they are refused by name."""
    edge = running_edge(folder, "--backend", "reference")
    apart = PhoneConfig((folder,), LinkConfig(edge.url), ENGINE)
    for client in serve(Service(apart)):
        with pytest.raises(openai.BadRequestError, match=r"edge chooses the tokens.*--private"):
            scored(client)
    for client in serve(Service(PhoneConfig((folder,), None, ENGINE))):
        expected = scored(client)
    for client in serve(Service(replace(apart, private=True))):
        assert alike(scored(client), expected)
