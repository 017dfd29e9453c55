"""A station made of GNU Radio's own ZeroMQ blocks; run by the system's Python, which has them.

    python3 gnuradio_peer.py TX_ADDRESS RX_ADDRESS RATE COUNT OUT FREQUENCY:AMPLITUDE...

It sends a sum of tones (and, with the word `noise:AMPLITUDE`, white noise) and keeps COUNT samples
of what it is sent, in OUT. This file imports nothing of airsplit, so as to be a peer of its own.
"""

from __future__ import annotations

import sys

from gnuradio import analog, blocks, gr, zeromq  # type: ignore[import-not-found]  # Debian's package


def main() -> None:
    transmit, receive, rate, count, out, *parts = sys.argv[1:]
    graph = gr.top_block()
    total = blocks.add_cc()
    sources = []
    for place, part in enumerate(parts):
        what, amplitude = part.split(":")
        if what == "noise":
            source = analog.noise_source_c(analog.GR_GAUSSIAN, float(amplitude), place)
        else:
            source = analog.sig_source_c(float(rate), analog.GR_COS_WAVE, float(what),
                                         float(amplitude))
        sources.append(source)
        graph.connect(source, (total, place))
    graph.connect(total, zeromq.rep_sink(gr.sizeof_gr_complex, 1, transmit, 100, False, -1))
    head = blocks.head(gr.sizeof_gr_complex, int(count))
    graph.connect(zeromq.req_source(gr.sizeof_gr_complex, 1, receive, 100, False, -1), head,
                  blocks.file_sink(gr.sizeof_gr_complex, out))
    graph.start()
    print("started", flush=True)
    sys.stdin.read()  # until whoever started it has enough
    graph.stop()


if __name__ == "__main__":
    main()
