"""The key that recorded requests are encrypted with: from the environment, never from the file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

KEY_BYTES = 32


class CorpusKeyUnusable(ValueError):
    """The variable is not set, or holds no key; the message says how to make one."""


def corpus_key(variable: str, environment: Mapping[str, str]) -> bytes:
    """Return the key in an environment variable.

    Raises:
        CorpusKeyUnusable: there is none.
    """
    how = f"write 32 random bytes in base64 into it: export {variable}=$(openssl rand -base64 32)"
    told = environment.get(variable)
    if not told:
        raise CorpusKeyUnusable(f"the environment variable {variable} is not set; {how}")
    try:
        key = base64.b64decode(told, validate=True)
    except binascii.Error:
        raise CorpusKeyUnusable(
            f"the environment variable {variable} is no base64; {how}"
        ) from None
    if len(key) != KEY_BYTES:
        raise CorpusKeyUnusable(
            f"the environment variable {variable} holds {len(key)} bytes, {KEY_BYTES} are needed; "
            f"{how}"
        )
    return key
