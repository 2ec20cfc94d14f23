"""A request's body that can be read again, within bounds."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Message, Receive

MOST_OF_ONE = 8 * 1024 * 1024
"""Bytes that are kept of a request; a larger one cannot be read again."""

MOST_OF_ALL = 256 * 1024 * 1024
"""Bytes that a proxy keeps of all requests that wait for their answer."""

_OF_A_MESSAGE = 512
"""Bytes that a piece takes besides its content, however small that is."""


@dataclass(slots=True)
class Room:
    """What may still be kept, of all requests together."""

    free: int = MOST_OF_ALL


class KeptRequest:
    """Passes a body on as it comes, and keeps it.

    Attributes:
        left: whether its client has, as far as anybody has read.
    """

    def __init__(self, receive: Receive, room: Room) -> None:
        self._receive = receive
        self._room = room
        self._size = 0
        self._pieces: list[Message] | None = []
        self.left = False

    @property
    def repeatable(self) -> bool:
        """Whether it can be read again, and somebody waits for what comes of that."""
        return self._pieces is not None and not self.left

    def reading(self) -> Receive:
        """Return ASGI's `receive`, from the beginning on."""
        kept = iter(tuple(self._pieces or ()))

        async def receive() -> Message:
            for piece in kept:
                return piece
            message = await self._receive()
            self._keep(message)
            return message

        return receive

    def forget(self) -> None:
        """Keep nothing of it any more. Who reads it at present still gets all of it."""
        self._pieces = None
        self._room.free += self._size
        self._size = 0

    def _keep(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self.left = True
        elif self._pieces is not None:
            size = len(message.get("body", b"")) + _OF_A_MESSAGE
            if self._size + size > MOST_OF_ONE or size > self._room.free:
                self.forget()
                return
            self._size += size
            self._room.free -= size
            self._pieces.append(message)
