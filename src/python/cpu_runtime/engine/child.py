"""`python -m cpu_runtime.engine.child`: one llama.cpp server, for as long as its parent lives.

The order comes as the first line on standard input, the answer goes as the only line to standard
output, and the end of standard input is the end of the process: whatever way the parent ends, the
kernel closes the pipe. A process of its own keeps llama.cpp's aborts and its chatter out of ours.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import xllamacpp  # type: ignore[import-untyped]

from cpu_runtime.engine.order import Order, Started

_ERRORS, _INFORMATION = 1, 3
_SPARE_CONNECTIONS = 4
"""HTTP threads beyond one per slot, so that health checks are answered while all slots work."""

_PROMPT_CACHE_MIB = 256
_LONG_CHATS = 2
"""One in so many slots may be as long as the context, at the same time."""


def main() -> None:
    """Serve until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A terminal, or a service manager, signals us together with our parent, which wants to let
        # answers finish first.
        signal.signal(number, signal.SIG_IGN)
    answer = _private_output()
    order = Order.from_line(sys.stdin.buffer.readline())
    try:
        server = xllamacpp.Server(_parameters(order))
    except RuntimeError:
        sys.exit(1)  # llama.cpp has said why on standard error
    os.write(answer, Started(server.listening_address).line())
    sys.stdin.buffer.read()
    # Nothing here is worth an orderly end, which would wait for answers in flight.
    os._exit(0)


def _private_output() -> int:
    """Keep standard output for the answer; what C code prints there goes to standard error."""
    private = os.dup(1)
    os.dup2(2, 1)
    return private


def _parameters(order: Order) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = order.file
    parameters.model_alias = {order.name}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [order.key]
    parameters.cors_origins = ""
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.offline = True
    parameters.fit_params = False
    parameters.verbosity = _INFORMATION if order.verbose else _ERRORS
    parameters.n_parallel = order.slots
    # Chats share one memory, because few are as long as one may be. Texts to embed have their own.
    parameters.kv_unified = not order.embeds
    shared = 1 if order.embeds else _LONG_CHATS
    parameters.n_ctx = order.context_length * max(1, order.slots // shared)
    parameters.n_threads_http = order.slots + _SPARE_CONNECTIONS
    parameters.cache_ram_mib = _PROMPT_CACHE_MIB
    for processors in (parameters.cpuparams, parameters.cpuparams_batch):
        processors.n_threads = order.threads
        processors.poll = 0  # waiting threads sleep; two engines share these processors
    if order.chat_template is not None:
        parameters.chat_template = order.chat_template
    if order.embeds:
        parameters.embedding = True
        # An encoder reads a text in one piece.
        parameters.n_batch = parameters.n_ubatch = order.context_length
    return parameters


if __name__ == "__main__":
    main()
