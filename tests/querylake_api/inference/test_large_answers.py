"""Large whole answers of engines are understood in steps, between which others get their turn."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_provider.config import UpstreamConfig
from llm_provider.errors import EventTooLarge
from llm_provider.openai_http import OpenAIHTTPProvider
from llm_provider.provider import Relay
from llm_provider.sse import EventSplitter
from llm_provider.token_usage import usage_in
from querylake_api.inference.answer import Answer, begun
from querylake_api.inference.catalog import Target
from querylake_api.inference.judgement import judge_answer
from querylake_api.inference.large_answer import LARGE_BYTES, shaped, with_model
from querylake_api.inference.refusals import refusal
from querylake_api.inference.rerank import RerankForm
from querylake_api.upstreams.upstream import Upstream
from querylake_api_testing.loop_holds import frozen_heap, longest_hold

GENEROUS = 0.25
"""Seconds of processor time that the loop may be held in these tests: five times what is promised,
since they run interpreted, on machines that do other things besides."""

SIZE = 20_000_000
VECTOR = b"[" + b",".join([b"0.0123456"] * 1000) + b"]"
VECTORS = b",".join([b'{"index":0,"embedding":%b}' % VECTOR] * (SIZE // 10_000))
RESULTS = b",".join([b'{"index":1,"relevance_score":0.5}'] * (SIZE // 100))
TEXTS = b",".join([b'{"text":"a \\"b\\""}'] * (SIZE // 200))
WRONG = b",".join([b'{"loc":["body","messages"],"msg":"Field required","input":{"a":1}}'] * 300_000)
USAGE = b'"model":"inner","usage":{"prompt_tokens":7,"completion_tokens":3}}'


ENGINE = UpstreamConfig("engine", "http://127.0.0.1:9/v1")
"""It is not asked: the answers are here."""
TARGET = Target(Upstream(OpenAIHTTPProvider(ENGINE)), "inner", "stable")


class WholeRelay(Relay):
    """An answer that is here."""

    def __init__(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {
            name.replace("_", "-"): headers[name] for name in headers
        }
        self._pieces = [body]

    async def __aenter__(self) -> Relay:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def piece(self) -> bytes:
        return self._pieces.pop() if self._pieces else b""


@pytest.fixture
def _frozen_heap() -> Iterator[None]:
    with frozen_heap():
        yield


ANSWERS = {
    "vectors": (200, b'{"data":[%b],%b' % (VECTORS, USAGE)),
    "vectors after an empty error": (200, b'{"error":null,"data":[%b],%b' % (VECTORS, USAGE)),
    "many texts": (200, b'{"error":null,"output":[%b],%b' % (TEXTS, USAGE)),
    "a large error": (200, b'{"error":{"message":"%b","code":400}}' % (b"x" * SIZE)),
    "wrong fields": (422, b'{"detail":[%b]}' % WRONG),
    "a large text": (400, b"no " * (SIZE // 3)),
    "usage many times": (200, b'{"data":[%b]}' % b",".join([b'"usage"'] * (SIZE // 10))),
    "half of a document": (200, b'{"error":null,"data":[%b' % VECTORS),
}


@pytest.mark.usefixtures("_frozen_heap")
@pytest.mark.parametrize(("status", "body"), ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("framed", [True, False])
async def test_no_large_answer_holds_the_loop(status: int, body: bytes, framed: bool) -> None:
    headers = {"content_length": str(len(body))} if framed else {}

    async def understand() -> None:
        answer = await begun(WholeRelay(body, status, **headers), TARGET, stream=False)
        judge_answer(answer, stream=False)
        if answer.status == 200:
            usage_in(await with_model(answer.body, "outer"))
        else:
            refusal(answer.status, {}, answer.body, "outer", "inner", answer.error)

    held = min([await longest_hold(asyncio.create_task(understand())) for _ in range(2)])
    print(f"held for {held * 1e3:.0f} ms")
    assert held < GENEROUS


@pytest.mark.usefixtures("_frozen_heap")
async def test_reranking_of_many_results_does_not_hold_the_loop() -> None:
    form = RerankForm(("a", "b"), 100_000, True)

    async def shape() -> None:
        assert orjson.loads((await shaped(b'{"results":[%b]}' % RESULTS, form))[:12] + b"]}")

    held = await longest_hold(asyncio.create_task(shape()))
    print(f"held for {held * 1e3:.0f} ms")
    assert held < GENEROUS


@pytest.mark.usefixtures("_frozen_heap")
async def test_a_large_compressed_answer_does_not_hold_the_loop() -> None:
    body = gzip.compress(b'{"data":"%b"}' % (b"x" * 3 * SIZE), 1)
    relay = WholeRelay(body, content_encoding="gzip", content_length=str(len(body)))

    async def read() -> None:
        assert (await begun(relay, TARGET, stream=False)).complete

    assert await longest_hold(asyncio.create_task(read())) < GENEROUS


async def read(body: bytes, status: int = 200) -> Answer:
    """Return what is understood of a body that is not framed."""
    return await begun(WholeRelay(body, status), TARGET, stream=False)


PAD = b"x" * LARGE_BYTES
FORMS: list[tuple[int, bytes]] = [
    (200, b'{"error":null,"choices":[{"message":{"content":"%b"}}],"usage":{"prompt_tokens":7}}'),
    (200, b'{"pad":"%b","error":{"message":"no","code":429}}'),
    (200, b'{"object":"error","message":"no","code":400,"pad":"%b"}'),
    (200, b'{"detail":"no","pad":"%b"}'),
    (200, b'{"message":"%b"}'),
    (200, b'{"message":"cut %b'),
    (200, b'["%b"]'),
    (200, b"[%b"),
    (422, b'{"detail":[{"loc":["body","messages"],"msg":"Field required","input":"%b"}]}'),
    (400, b'{"error":{"message":"no","type":"x","param":"messages","pad":"%b"}}'),
    (404, b'{"error":{"message":"the model inner does not exist","code":404},"pad":"%b"}'),
    (400, b'{"object":"error","message":"EngineCore encountered an issue","pad":"%b"}'),
    (400, b"no %b"),
    (503, b'{"error":"busy","pad":"%b"}'),
]


@pytest.mark.parametrize(("status", "form"), FORMS)
async def test_a_large_answer_is_understood_as_a_small_one(status: int, form: bytes) -> None:
    met = []
    for pad in (b"", PAD):
        answer = await read(form % pad, status)
        outcome = judge_answer(answer, stream=False)
        told: Any = None
        if outcome.kind == "rejected":
            error = refusal(answer.status, {}, answer.body, "inner", "inner", answer.error)
            told = error.message.replace("x", "").rstrip(" .")
        met.append((answer.status, outcome.kind, outcome.status, told))
        if status != 200:
            assert len(answer.body) < 2000
    assert met[0] == met[1]


@given(
    st.lists(st.integers(0, 5), max_size=6),
    st.sampled_from([None, 1, 2, 5, 9]),
    st.sampled_from([None, True, False]),
    st.booleans(),
    st.booleans(),
)
def test_many_results_are_shaped_as_few(
    indices: list[int], top_n: int | None, documents: bool | None, bare: bool, with_text: bool
) -> None:
    form = RerankForm(("a", None, 'c,"]'), top_n, documents)
    extra = {"document": {"text": "[,"}} if with_text else {}
    score = "score" if bare else "relevance_score"
    results = [{"index": index, score: 0.5, **extra} for index in indices]
    answer = json.dumps(results if bare else {"id": "r", "results": results, "x": [1, 2]}).encode()
    by_steps = asyncio.run(shaped(answer, form))
    assert orjson.loads(by_steps) == orjson.loads(form.shaped(answer))


async def test_every_batch_of_results_is_shaped() -> None:
    results = [{"index": number, "document": {"text": "t"}} for number in range(5000)]
    form = RerankForm((), 4500, False)
    answer = orjson.loads(await shaped(orjson.dumps({"results": results}), form))
    assert answer == {"results": [{"index": number} for number in range(4500)]}


async def test_the_model_of_a_large_answer_is_replaced_and_nothing_else() -> None:
    body = b'{"data":[{"model":"inner","n":"%b"}],"model" : "inner","x":1}' % PAD
    assert await with_model(body, 'ou"ter') == body.replace(
        b'"model" : "inner"', b'"model" : "ou\\"ter"'
    )


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"a":[' + b"1," * 300_000 + b"1]}\n\n",
        b"data: x\n" * 100_000 + b"\n",
        b"data: x\r" * 100_000 + b"\r",
    ],
)
def test_an_event_that_takes_long_to_read_ends_its_stream(event: bytes) -> None:
    splitter = EventSplitter("engine")
    for start in range(0, len(event) - 65536, 65536):
        assert splitter.feed(event[start : start + 65536]) == []
    with pytest.raises(EventTooLarge):
        splitter.feed(event[start + 65536 :])


def test_a_large_event_of_one_text_passes() -> None:
    event = b'data: {"b64_json":"' + b"A" * 5_000_000 + b'"}\n\n'
    splitter = EventSplitter("engine")
    passed = [splitter.feed(event[start : start + 65536]) for start in range(0, len(event), 65536)]
    assert [block for blocks in passed for block in blocks] == [event]
