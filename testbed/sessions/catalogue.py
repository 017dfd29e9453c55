"""Every kind of generated traffic besides the split model's own, by name."""

from __future__ import annotations

from testbed.sessions import calls, chat, machines, pages, transfers
from testbed.sessions.kind import Kind

SPLIT = "split"  # the kind whose ends are a real phone and a real edge
GATEWAY = "chat-gateway"  # our own API in front of a whole model
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kinds in (chat.KINDS, pages.KINDS, transfers.KINDS, calls.KINDS, machines.KINDS)
    for kind in kinds}
LABELS = {SPLIT: "llm_split", GATEWAY: "llm_chat"} | {
    name: kind.label for name, kind in KINDS.items()}
