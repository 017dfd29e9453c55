"""What traffic is called. Pure data: it knows no features and no model.

`unknown` is an answer, never something to learn: a flow that is like nothing seen in training, or
of which too little was seen to tell.
"""

from __future__ import annotations

LLM_SPLIT = "llm_split"
UNKNOWN = "unknown"

MEANINGS = {
    LLM_SPLIT: "a language model cut in two: activations of a phone up, tokens or rows down",
    "llm_chat": "a language model elsewhere, streamed to a browser or over an API",
    "web": "pages, and the requests of apps that behave like them",
    "video": "films and clips, fetched in segments or streamed",
    "audio": "music, radio and podcasts",
    "realtime": "calls and conferences: voice or video both ways",
    "gaming": "what games exchange while they are played",
    "bulk": "long transfers: files, updates, back-ups, peer to peer",
    "iot": "things that report and are told: sensors, meters, plants, MQTT, CoAP",
    "background": "what devices do unasked: names, time, notifications, polls, sign-in, databases",
    UNKNOWN: "like nothing that was learnt, or too little seen to tell",
}

# What a model can learn; a bundle names the ones it has, in its own order.
CLASSES = tuple(name for name in MEANINGS if name != UNKNOWN)
