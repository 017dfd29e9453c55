"""Fenced blocks of a page in Markdown, and what stands above each. It runs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^(`{3,})([^`\n]*)\n(.*?)^\1[ \t]*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One."""

    language: str
    text: str
    above: str  # the paragraph before it
    line: int  # of its fence, from 1


def blocks_of(page: str) -> list[Block]:
    """All of a page, in order."""
    found = []
    for match in _FENCE.finditer(page):
        before = page[:match.start()]
        paragraph = before.rstrip("\n").rpartition("\n\n")[2].replace("\n", " ").strip()
        found.append(Block(match[2].strip(), match[3], paragraph, before.count("\n") + 1))
    return found


def prompted(block: Block) -> list[str]:
    """A console block's commands, without prompts; a line that ends with a backslash goes on."""
    joined = re.sub(r"\s*\\\n\s*", " ", block.text)
    return [line[2:].strip() for line in joined.splitlines() if line.startswith(("$ ", "# "))]
