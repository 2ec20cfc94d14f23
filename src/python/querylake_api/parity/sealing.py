"""Texts of users at rest: AES-256-GCM, bound to what they are about.

A sealed text is a nonce of 96 random bits and the ciphertext with its tag (NIST SP 800-38D). Random
nonces are good for 2^32 texts under one key, and the corpus is far smaller.
"""

from __future__ import annotations

import os

_NONCE_BYTES = 12


class SealBroken(Exception):
    """A text was sealed with another key, is about something else, or was changed."""


class Seal:
    """Seals and opens.

    Args:
        key: 32 bytes; see `configuration.corpus_key`.
    """

    def __init__(self, key: bytes) -> None:
        # OpenSSL's bindings take 7 MB, and most servers keep no texts.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def seal(self, text: bytes, about: str) -> bytes:
        """Return a text sealed. It opens only for what it is about."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """Return the text.

        Raises:
            SealBroken: it does not open.
        """
        from cryptography.exceptions import InvalidTag

        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, rest, about.encode())
        except (InvalidTag, ValueError):
            raise SealBroken(
                "a recorded text does not open: it was sealed with another key"
            ) from None
