"""Loads what the ends of sessions need, once: their processes are forked from one that has it."""

from __future__ import annotations

import torch
import uvicorn

import edge_server.app
import edge_server.server
import edge_server.serving
import pcap_tools.write
import testbed.sessions.ends
import testbed.sessions.split
import ue_app.gateway
import ue_app.phone

__all__ = ["edge_server", "pcap_tools", "testbed", "torch", "ue_app", "uvicorn"]
