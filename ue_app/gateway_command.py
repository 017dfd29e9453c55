"""`airsplit gateway`: options and start of the local OpenAI-compatible API."""

from __future__ import annotations

import argparse
from pathlib import Path

from ue_app.options import add_phone_options, phone_config

EXAMPLES = """examples:
  airsplit gateway                                  the bundled model, over an edge on this machine
  airsplit gateway --edge http://edge.example:8470 --model gemma-2-2b/head --port 8474
  airsplit gateway --local                          every layer here

  then, from any client made for that API:
  curl http://127.0.0.1:8474/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"messages": [{"role": "user", "content": "Tell me a story."}]}'
"""


def configure(parser: argparse.ArgumentParser, default_model: Path) -> None:
    """Add this command's options to `parser`."""
    parser.description = "Serve an OpenAI-compatible API on this machine, run over the split."
    parser.epilog = EXAMPLES
    parser.add_argument("--port", type=int, default=8474,
                        help="port on 127.0.0.1 to listen on (default: %(default)s)")
    parser.add_argument("--log-level", default="warning",
                        choices=("debug", "info", "warning", "error"))
    add_phone_options(parser)
    parser.set_defaults(run=run, default_model=default_model)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    import uvicorn

    from ue_app.gateway import DEFAULT_TOKENS, create_gateway
    from ue_app.prompt import generation_defaults
    from ue_app.service import Service

    config = phone_config(arguments, DEFAULT_TOKENS)
    service = Service(config)
    phone = service.open()  # what cannot work is told now, not at the first request
    model = config.models[0].resolve().name
    app = create_gateway(service, model, generation_defaults(config.models[0]))
    print(f"airsplit gateway: {model} ({phone.place()}) on http://127.0.0.1:{arguments.port}/v1",
          flush=True)
    try:
        uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level=arguments.log_level,
                    access_log=False)
    finally:
        service.close()
    return 0
