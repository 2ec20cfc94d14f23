"""What a proxy and the application behind it agree on."""

from __future__ import annotations

import os
import time

APPLICATION = "querylake"
"""Its name in the cluster. Requests of all others pass through as they are."""

CALLBACK = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
"""The variable that tells Serve whom to ask when a proxy starts."""

REPLAYING = "request_replay.middleware.middlewares"
"""What it says where requests are replayed."""

IDENTITY = "querylake.identity"
"""Where the scope of a request tells which request it is, however many replicas get it.

Scopes travel from proxies to replicas as they are, and nothing that a client sends comes into them
under a name like this: it cannot pass off many requests as one.
"""

REPLAYED = "querylake.replayed"
"""There, and true, in the scope of a request that an earlier replica has died of. It comes into
scopes as `IDENTITY` does, so no client can pass a request off as one that was admitted before."""


def new_identity() -> str:
    """Return an identity that no other request has or will have: a UUID of version 7.

    https://www.rfc-editor.org/rfc/rfc9562#section-5.7
    """
    began = f"{time.time_ns() // 1_000_000:012x}"[-12:]
    chance = os.urandom(9).hex()
    return f"{began[:8]}-{began[8:]}-7{chance[:3]}-8{chance[3:6]}-{chance[6:]}"
