"""The tokenizer: round trips, special tokens, chat template."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer

from testbed.training.data import Corpus
from testbed.training.errors import BadTrainingInput
from testbed.training.tokenizer import SPECIAL_TOKENS, train_tokenizer, wrap_tokenizer

Prepared = tuple[Tokenizer, Corpus]


@pytest.mark.parametrize(
    "text",
    [
        "Once upon a time",
        "  two  spaces ",
        'a "quote"\nand a line\n',
        "naïve € 漢字 🙂",
        "\x00\x7f",
    ],
)
def test_any_text_comes_back(prepared: Prepared, text: str) -> None:
    tokenizer = prepared[0]
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_special_tokens_have_gemmas_ids_and_stay_whole(prepared: Prepared) -> None:
    tokenizer = prepared[0]
    assert [tokenizer.token_to_id(text) for text in SPECIAL_TOKENS] == [0, 1, 2, 3, 4, 5]
    assert tokenizer.encode("<start_of_turn>").ids == [2, 4]


def test_encoding_begins_with_bos(prepared: Prepared) -> None:
    wrapped = wrap_tokenizer(prepared[0], 256)
    assert wrapped.encode("a king")[0] == 2
    assert wrapped.encode("a king", add_special_tokens=False)[0] != 2


def test_chat_template_renders_as_gemmas(prepared: Prepared) -> None:
    wrapped = wrap_tokenizer(prepared[0], 256)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": " Tell me a story. "},
        {"role": "assistant", "content": "There was a king."},
        {"role": "user", "content": [{"type": "text", "text": "Go on."}]},
    ]
    text = wrapped.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<bos><start_of_turn>user\nBe brief.\n\nTell me a story.<end_of_turn>\n"
        "<start_of_turn>model\nThere was a king.<end_of_turn>\n"
        "<start_of_turn>user\nGo on.<end_of_turn>\n<start_of_turn>model\n"
    )


def test_chat_template_refuses_two_user_turns_in_a_row(prepared: Prepared) -> None:
    wrapped = wrap_tokenizer(prepared[0], 256)
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    with pytest.raises(Exception, match="alternate"):
        wrapped.apply_chat_template(messages, tokenize=False)


def test_a_vocabulary_without_room_for_the_bytes_is_refused() -> None:
    with pytest.raises(BadTrainingInput, match="262"):
        train_tokenizer(["text"], 100)
