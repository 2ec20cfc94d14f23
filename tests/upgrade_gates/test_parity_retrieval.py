"""`parity verify` of embedders and rerankers, over real sockets."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, scripted_engine
from upgrade_gates_testing.process import Done, run

Script = Callable[[Exchange], Coroutine[Any, Any, None]]


def vector(text: str, *, cut: int, noise: float) -> list[float]:
    """Return a vector that depends on every word up to a length."""
    numbers = [0.0] * 16
    for word in text[:cut].split() or [text]:
        chance = random.Random(word)
        numbers = [each + chance.gauss(0, 1) for each in numbers]
    disturbed = random.Random(f"noise {text}")
    moved = [each + noise * disturbed.gauss(0, 1) * math.hypot(*numbers) for each in numbers]
    return [each / math.hypot(*moved) for each in moved]


def embedder(*, cut: int = 100_000, noise: float = 0.0, most: int = 100_000) -> Script:
    async def script(exchange: Exchange) -> None:
        path, body = exchange.request.path, exchange.request.body
        if path == "/v1/models":
            await exchange.whole({"data": [{"id": "m"}]})
        elif path == "/v1/embeddings":
            texts = json.loads(body)["input"]
            if max(map(len, texts)) > most:
                await exchange.whole({"error": {"message": "too long"}}, status=400)
                return
            data = [
                {"index": at, "embedding": vector(text, cut=cut, noise=noise)}
                for at, text in enumerate(texts)
            ]
            await exchange.whole({"data": data[::-1]})
        else:
            await exchange.whole({"detail": "Not Found"}, status=404)

    return script


def reranker(*, turned: bool = False) -> Script:
    async def script(exchange: Exchange) -> None:
        if exchange.request.path == "/v1/models":
            await exchange.whole({"data": [{"id": "m"}]})
        elif exchange.request.path == "/v1/rerank":
            documents = json.loads(exchange.request.body)["documents"]
            results = [
                {"index": at, "relevance_score": -len(text) if turned else len(text)}
                for at, text in enumerate(documents)
            ]
            await exchange.whole({"results": results})
        else:
            await exchange.whole({"detail": "Not Found"}, status=404)

    return script


async def verified(folder: Path, old: Script, new: Script, *more: str) -> tuple[Done, Any]:
    async with scripted_engine() as left, scripted_engine() as right:
        for engine, script in ((left, old), (right, new)):
            _serve(engine, script)
        arguments = ("parity", "verify", "--old", left.url, "--new", right.url, "--json", *more)
        done = await asyncio.to_thread(run, folder, *arguments)
    return done, json.loads(done.stdout)


def _serve(engine: ScriptedEngine, script: Script) -> None:
    engine.script, engine.probe_script = script, None


async def test_an_embedder_is_compared_by_its_vectors(tmp_path: Path) -> None:
    done, told = await verified(tmp_path, embedder(), embedder(noise=0.001))
    assert (done.returncode, told["standing"]) == (0, "equivalent")
    assert told["vectors"]["texts"] > 40
    assert "nearest neighbours stay" in told["sentence"]
    assert told["not_measured"] == []
    done, told = await verified(tmp_path, embedder(), embedder(noise=0.05))
    assert (done.returncode, told["causes"]) == (1, ["other weights or arithmetic"])
    done, told = await verified(tmp_path, embedder(), embedder(cut=1200))
    assert (done.returncode, told["causes"]) == (1, ["prompt cut or refused for its length"])


async def test_texts_that_are_refused_hide_nothing_of_the_others(tmp_path: Path) -> None:
    done, told = await verified(tmp_path, embedder(most=1200), embedder(most=1200))
    assert (done.returncode, told["standing"]) == (0, "equivalent")
    assert told["vectors"]["texts"] > 40
    done, told = await verified(tmp_path, embedder(), embedder(most=1200))
    assert (done.returncode, told["causes"]) == (1, ["prompt cut or refused for its length"])
    assert "3 texts are refused now" in told["sentence"]


async def test_stored_vectors_have_to_fit_the_new_engine(tmp_path: Path) -> None:
    file = tmp_path / "stored.jsonl"
    texts = ["a word", "two words", "and three of them"]

    def store(noise: float) -> None:
        rows = [{"text": text, "embedding": vector(text, cut=1000, noise=noise)} for text in texts]
        file.write_text("\n".join(map(json.dumps, rows)))

    store(0.0)
    done, told = await verified(tmp_path, embedder(), embedder(), "--stored", str(file))
    assert done.returncode == 0, told
    store(0.2)
    done, told = await verified(tmp_path, embedder(), embedder(), "--stored", str(file))
    assert done.returncode == 1
    assert told["findings"][0]["probe"] == "vectors against the index"
    file.write_text("no vectors")
    refused = await asyncio.to_thread(
        run,
        tmp_path,
        *("parity", "verify", "--old", "http://127.0.0.1:9/v1"),
        *("--new", "http://127.0.0.1:9/v1", "--stored", str(file)),
    )
    assert refused.returncode == 2
    assert "--stored" in refused.stderr


async def test_a_reranker_is_compared_by_its_orders(tmp_path: Path) -> None:
    done, told = await verified(tmp_path, reranker(), reranker())
    assert (done.returncode, told["rankings"]) == (0, 3)
    done, told = await verified(tmp_path, reranker(), reranker(turned=True))
    assert done.returncode == 1
    assert "another document comes first" in told["sentence"]
