"""What engines do when they fail, each as a script."""

from __future__ import annotations

from llm_provider_testing.scripted_engine import Exchange


async def hang_up(exchange: Exchange) -> None:
    exchange.hang_up()


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def say_nothing(exchange: Exchange) -> None:
    await exchange.caller_gone()


async def cut_short(exchange: Exchange) -> None:
    await exchange.raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    )
    exchange.hang_up()


async def talk_nonsense(exchange: Exchange) -> None:
    await exchange.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    exchange.hang_up()


async def end_at_once(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.end_stream(done=False)


async def begin_with_an_error(exchange: Exchange) -> None:
    await exchange.begin_stream()
    message = b"EngineCore encountered an issue. See stack trace (above) for the root cause."
    await exchange.piece(b'data: {"error": {"message": "%b", "code": 400}}\n\n' % message)
    await exchange.end_stream()


async def begin_and_hang(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.caller_gone()
