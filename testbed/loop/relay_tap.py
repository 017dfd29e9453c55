"""The classifier's tap where packets are told: `python -m testbed.loop.relay_tap SOCKET ADDRESS`.

The same tap as `airsplit tap`, with the bundled model, but that it hears a stream of packets
(`packet_stream`) in the place of an interface, which would take CAP_NET_RAW.
"""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path

TICK_SECONDS = 0.01


def main() -> int:
    from classifier.bundle import load
    from classifier.errors import ClassifierError
    from classifier.tap import Tap, TapConfig, default_bundle
    from edge_server.errors import EdgeError
    from pcap_tools.errors import PcapError
    from testbed.loop.packet_stream import StreamSource, connected

    path, address = Path(sys.argv[1]), sys.argv[2]
    try:
        source = StreamSource(connected(path), TICK_SECONDS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: source.close())
        try:
            tap = Tap(source, load(default_bundle()), TapConfig(address))
            gc.freeze()  # what is loaded stays, and need not be looked through while packets wait
            for _ in tap.run():
                pass
        finally:
            source.release()
    except (EdgeError, ClassifierError, PcapError) as error:
        print(f"tap: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
