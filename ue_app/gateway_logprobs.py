"""Log-probabilities in the two shapes that the OpenAI API knows. It knows tokens and their text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer

from ue_app.scores import TokenScores

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # a token that is one byte of a character


def chat_logprobs(scores: Sequence[TokenScores], tokenizer: Tokenizer) -> dict[str, Any]:
    """As `/v1/chat/completions` has them."""
    return {"content": [
        _entry(each.token, each.chosen, tokenizer) | {
            "top_logprobs": [_entry(token, value, tokenizer) for token, value in each.likeliest]}
        for each in scores], "refusal": None}


def text_logprobs(
    scores: Sequence[TokenScores], tokenizer: Tokenizer, offset: int
) -> dict[str, Any]:
    """As `/v1/completions` has them; `offset` is where in the answer these tokens' text begins."""
    texts = [_text(each.token, tokenizer) for each in scores]
    offsets = []
    for text in texts:
        offsets.append(offset)
        offset += len(text)
    return {"tokens": texts, "token_logprobs": [each.chosen for each in scores],
            "top_logprobs": [{_text(token, tokenizer): value for token, value in each.likeliest}
                             for each in scores],
            "text_offset": offsets}


def _entry(token: int, value: float, tokenizer: Tokenizer) -> dict[str, Any]:
    return {"token": _text(token, tokenizer), "logprob": value,
            "bytes": list(_bytes(token, tokenizer))}


def _text(token: int, tokenizer: Tokenizer) -> str:
    return _bytes(token, tokenizer).decode(errors="replace")


def _bytes(token: int, tokenizer: Tokenizer) -> bytes:
    piece = tokenizer.id_to_token(token) or ""
    byte = _BYTE.fullmatch(piece)
    if byte:
        return bytes([int(byte.group(1), 16)])
    # One token alone loses the space before it in some tokenizers: seen after another it does not.
    alone = tokenizer.decode([token], skip_special_tokens=False)
    twice = tokenizer.decode([token, token], skip_special_tokens=False)
    return (twice[len(alone):] if twice.startswith(alone) else alone).encode()
