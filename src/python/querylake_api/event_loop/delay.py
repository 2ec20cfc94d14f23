"""How long the event loop keeps a request waiting before it so much as looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LOOK_SECONDS = 0.1


async def watch_delay(observe: Callable[[float], None]) -> None:
    """Have a timer run ten times a second, and tell how late it ran, in seconds, until cancelled.

    Whatever holds the loop up (a large body, garbage collection, another program on the processor)
    delays the timer as it delays requests. The share of late looks is the share of moments at
    which a request would have waited; a pause that falls between two looks is not seen.
    """
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        observe(max(0.0, loop.time() - due))
