"""The key itself: how it is made, and what is kept of it."""

from __future__ import annotations

import re
import secrets
import string

try:
    # The same hash without OpenSSL, whose way to it leads over so much code that, at the beginning
    # of a request, to fetch it takes a hundred times as long as to hash.
    from _sha256 import sha256  # type: ignore[import-not-found]  # no stub has what is private
except ImportError:  # it goes by another name from Python 3.12 on
    from hashlib import sha256

ALPHABET = string.digits + string.ascii_letters
PREFIX = "sk-"
LENGTH = 48
"""48 characters of 62 kinds are 285 bits: guessing is hopeless, so a fast hash is safe."""

# Longer than words that happen to begin so, shorter than any key that is one.
_SHAPE = re.compile(PREFIX + r"[A-Za-z0-9_-]{20,}")


def generate_key() -> str:
    """Return a new key: `sk-` and 48 base62 characters from the system's CSPRNG."""
    return PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def generate_id() -> str:
    """Return a new identifier of a key, which is no secret."""
    return "key_" + "".join(secrets.choice(ALPHABET) for _ in range(16))


def hash_key(key: str) -> str:
    """Return what is stored of a key: SHA-256 over the whole of it, in hex."""
    hashed: str = sha256(key.encode()).hexdigest()
    return hashed


def hint(key: str) -> str:
    """Return what may be shown of a key, enough to recognise it."""
    return f"{PREFIX}...{key[-4:]}"


def looks_like_key(text: str) -> bool:
    """Return whether somewhere in a text there is what may be a key, and should not be seen."""
    return PREFIX in text and _SHAPE.search(text) is not None


def without_keys(text: str) -> str:
    """Return a text that may be logged, with what may be keys blotted out."""
    return _SHAPE.sub(f"{PREFIX}...", text) if PREFIX in text else text
