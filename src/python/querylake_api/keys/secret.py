"""The key itself: how it is made, and what is kept of it."""

from __future__ import annotations

import hashlib
import secrets
import string

ALPHABET = string.digits + string.ascii_letters
PREFIX = "sk-"
LENGTH = 48
"""48 characters of 62 kinds are 285 bits: guessing is hopeless, so a fast hash is safe."""


def generate_key() -> str:
    """Return a new key: `sk-` and 48 base62 characters from the system's CSPRNG."""
    return PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def generate_id() -> str:
    """Return a new identifier of a key, which is no secret."""
    return "key_" + "".join(secrets.choice(ALPHABET) for _ in range(16))


def hash_key(key: str) -> str:
    """Return what is stored of a key: SHA-256 over the whole of it, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def hint(key: str) -> str:
    """Return what may be shown of a key, enough to recognise it."""
    return f"{PREFIX}...{key[-4:]}"
