"""A port for a server of a test's own."""

import random
import socket

BELOW_EPHEMERAL = range(20_000, 32_000)
"""Where no outgoing connection takes a port between our look and the server's start."""


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listened on a moment ago."""
    for port in random.sample(BELOW_EPHEMERAL, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")
