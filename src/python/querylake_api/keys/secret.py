"""The key itself: how it is made, and what is kept of it."""

# compiled: runs for each request.

from __future__ import annotations

import secrets
import string
from typing import Final

try:
    # The same hash without OpenSSL, whose way to it leads over so much code that, at the beginning
    # of a request, to fetch it takes a hundred times as long as to hash.
    from _sha256 import sha256  # type: ignore[import-not-found]  # no stub has what is private
except ImportError:  # it goes by another name from Python 3.12 on
    from hashlib import sha256

from querylake_api.requests.redaction import KEY_PREFIX

ALPHABET: Final = string.digits + string.ascii_letters
LENGTH: Final = 48
"""48 characters of 62 kinds are 285 bits: guessing is hopeless, so a fast hash is safe."""


def generate_key() -> str:
    """Return a new key: `sk-` and 48 base62 characters from the system's CSPRNG."""
    return KEY_PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def generate_id() -> str:
    """Return a new identifier of a key, which is no secret."""
    return "key_" + "".join(secrets.choice(ALPHABET) for _ in range(16))


def hash_key(key: str) -> str:
    """Return what is stored of a key: SHA-256 over the whole of it, in hex."""
    hashed: str = sha256(key.encode()).hexdigest()
    return hashed


def hint(key: str) -> str:
    """Return what may be shown of a key, enough to recognise it."""
    return f"{KEY_PREFIX}...{key[-4:]}"
