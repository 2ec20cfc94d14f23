"""A body can be read again as long as it is not too large and its client is there."""

from __future__ import annotations

from starlette.types import Message

from request_replay.kept_request import MOST_OF_ONE, KeptRequest, Room


class Client:
    """Sends messages one after the other."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)

    async def receive(self) -> Message:
        return self._messages.pop(0)


def piece(content: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


LEFT: Message = {"type": "http.disconnect"}


async def test_another_reader_begins_at_the_beginning_and_goes_on_where_the_first_one_stopped() -> (
    None
):
    request = KeptRequest(Client(piece(b"a"), piece(b"b"), piece(b"c", more=False)).receive, Room())
    first = request.reading()
    assert [(await first())["body"] for _ in range(2)] == [b"a", b"b"]
    second = request.reading()
    assert [(await second())["body"] for _ in range(3)] == [b"a", b"b", b"c"]
    assert request.repeatable


async def test_what_is_read_again_stays_whole_when_it_is_forgotten() -> None:
    room = Room()
    request = KeptRequest(Client(piece(b"a"), piece(b"b"), LEFT).receive, room)
    first = request.reading()
    await first()
    await first()
    second = request.reading()
    request.forget()
    assert [(await second())["type"] for _ in range(3)][-1] == "http.disconnect"
    assert not request.repeatable
    assert room.free == Room().free


async def test_who_has_left_wants_no_answer() -> None:
    request = KeptRequest(Client(piece(b"a", more=False), LEFT).receive, Room())
    receive = request.reading()
    await receive()
    assert request.repeatable
    await receive()
    assert not request.repeatable


async def test_a_large_body_passes_and_is_not_kept() -> None:
    room = Room()
    half = piece(bytes(MOST_OF_ONE // 2))
    request = KeptRequest(Client(half, half, piece(b"end", more=False)).receive, room)
    receive = request.reading()
    sizes = [len((await receive())["body"]) for _ in range(3)]
    assert sizes == [MOST_OF_ONE // 2, MOST_OF_ONE // 2, 3]
    assert not request.repeatable
    assert room.free == Room().free


async def test_all_together_have_a_bound() -> None:
    room = Room(free=2000)
    first = KeptRequest(Client(piece(bytes(1000))).receive, room)
    second = KeptRequest(Client(piece(bytes(1000))).receive, room)
    await first.reading()()
    await second.reading()()
    assert (first.repeatable, second.repeatable) == (True, False)
    first.forget()
    assert room.free == 2000


async def test_small_pieces_are_not_free() -> None:
    room = Room()
    request = KeptRequest(Client(*[piece(b"x")] * 10).receive, room)
    receive = request.reading()
    for _ in range(10):
        await receive()
    assert Room().free - room.free > 10 * 100
