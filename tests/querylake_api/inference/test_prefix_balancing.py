"""Turns of a conversation meet on one replica, within the load that it may take."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_provider.config import UpstreamConfig
from llm_provider.openai_http import OpenAIHTTPProvider
from llm_provider.retry_budget import RetryBudget
from querylake_api.inference.catalog import Target
from querylake_api.inference.conversation_head import conversation_head
from querylake_api.inference.pool import Pool
from querylake_api.upstreams.upstream import Upstream
from querylake_api_testing.several_engines import PATH as CHAT_PATH
from querylake_api_testing.several_engines import replicas

PATH = "/chat/completions"


def a_pool(count: int) -> Pool:
    engines = [
        Upstream(OpenAIHTTPProvider(UpstreamConfig(f"gpu{number}", f"http://gpu{number}/v1")))
        for number in range(count)
    ]
    return Pool([Target(each, "M", "stable") for each in engines], None, RetryBudget(0.2, 10.0))


def place(pool: Pool, head: int | None) -> str:
    target = pool.choose(PATH, head=head)
    assert target is not None
    return target.upstream


def chat(*messages: tuple[str, Any], **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in messages], **fields}


def turns(system: str, *texts: str) -> list[int | None]:
    """Return the heads of a conversation's turns."""
    roles = ("user", "assistant") * len(texts)
    return [
        conversation_head(
            chat(("system", system), *zip(roles, texts[: 2 * turn + 1], strict=False))
        )
        for turn in range((len(texts) + 1) // 2)
    ]


def test_the_turns_of_a_conversation_have_one_head() -> None:
    heads = turns("Be brief.", "Hello", "Hi!", "And now?", "Later.", "When?")
    assert len(heads) == 3
    assert len(set(heads)) == 1
    assert heads[0] is not None


@pytest.mark.parametrize(
    "other",
    [
        chat(("system", "Be brief."), ("user", "Hello!")),
        chat(("system", "Be brief"), ("user", "Hello")),
        chat(("user", "Be brief."), ("user", "Hello")),
        chat(("system", "Be brief."), ("user", "Hello"), prompt_cache_key="team"),
    ],
)
def test_another_beginning_is_another_head(other: dict[str, Any]) -> None:
    assert conversation_head(other) != conversation_head(
        chat(("system", "Be brief."), ("user", "Hello"))
    )


def test_questions_about_one_document_have_one_head() -> None:
    document = "Whereas the parties agree. " * 100
    heads = {conversation_head(chat(("user", document + end))) for end in ("Who?", "When?")}
    assert len(heads) == 1


def test_parts_of_a_message_share_its_bound() -> None:
    document = [{"type": "text", "text": "Whereas the parties agree. " * 100}]
    ends = ([{"type": "text", "text": end}] for end in ("Who?", "When?"))
    assert len({conversation_head(chat(("user", document + end))) for end in ends}) == 1


def test_a_hint_says_what_belongs_together() -> None:
    heads = {
        conversation_head(chat(("user", text), prompt_cache_key="report")) for text in ("a", "b")
    }
    assert len(heads) == 1


@pytest.mark.parametrize(
    ("turn", "next_turn"),
    [
        (
            {
                "system": "S",
                "messages": [{"role": "user", "content": [{"type": "text", "text": "A"}]}],
            },
            {
                "system": "S",
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "A"}]},
                    {"role": "assistant", "content": "B"},
                    {"role": "user", "content": "C"},
                ],
            },
        ),
        (
            {"instructions": "S", "input": "A"},
            {
                "instructions": "S",
                "input": [{"role": "user", "content": "A"}, {"role": "assistant"}],
            },
        ),
        ({"prompt": "x" * 5000 + "a"}, {"prompt": "x" * 5000 + "b"}),
        ({"prompt": [1] * 600 + [2]}, {"prompt": [1] * 600 + [3]}),
        ({"prompt": ["one", "two"]}, {"prompt": ["one"]}),
    ],
    ids=["messages", "responses", "completions", "token ids", "several prompts"],
)
def test_every_endpoint_has_heads(turn: dict[str, Any], next_turn: dict[str, Any]) -> None:
    assert conversation_head(turn) == conversation_head(next_turn) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["role", "content", "text", "image_url", "url", "type"]), inner, max_size=4
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["messages", "input", "prompt", "system", "instructions", "prompt_cache_key"]
        ),
        JSON,
    )
)
def test_any_json_has_a_head_or_none(request: dict[str, Any]) -> None:
    head = conversation_head(request)
    assert head is None or 0 <= head < 2**64


def test_half_a_surrogate_pair_is_text_too() -> None:
    assert conversation_head(chat(("user", "\ud800"))) is not None


def test_every_process_finds_the_same_home() -> None:
    heads = [conversation_head(chat(("user", str(number)))) for number in range(50)]
    assert [place(a_pool(3), head) for head in heads] == [place(a_pool(3), head) for head in heads]


def test_conversations_spread() -> None:
    pool = a_pool(4)
    places = Counter(place(pool, conversation_head({"prompt": str(n)})) for n in range(2000))
    assert len(places) == 4
    assert min(places.values()) > 400


def test_a_replica_that_leaves_takes_only_its_own_conversations_along() -> None:
    heads = [conversation_head({"prompt": str(number)}) for number in range(300)]
    pool, smaller = a_pool(4), a_pool(3)
    for head in heads:
        home = place(pool, head)
        if home != "gpu3":
            assert place(smaller, head) == home


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.integers(2, 5))
def test_no_replica_gets_more_than_its_share(conversations: list[int], count: int) -> None:
    """Even if all requests begin alike: at most 1.3 times the mean, and two whatever that is."""
    pool = a_pool(count)
    for number, conversation in enumerate(conversations, start=1):
        target = pool.choose(PATH, head=conversation_head({"prompt": str(conversation)}))
        assert target is not None
        target.engine.outstanding += 1
        loads = [each.engine.outstanding for each in pool.targets]
        assert max(loads) <= max(2, 1.3 * number / count, -(-number // count))
    assert pool.at_home + pool.spilled == len(conversations)


def test_a_home_that_is_full_gives_way_to_one_other() -> None:
    pool = a_pool(3)
    head = conversation_head({"prompt": "x"})
    home = pool.choose(PATH, head=head)
    assert home is not None
    home.engine.outstanding = 10
    others = {place(pool, head) for _ in range(10)}
    assert len(others) == 1
    assert home.upstream not in others
    home.engine.outstanding = 0
    assert place(pool, head) == home.upstream


def test_without_a_head_the_load_decides() -> None:
    pool = a_pool(3)
    assert {place(pool, None) for _ in range(3)} == {"gpu0", "gpu1", "gpu2"}
    assert pool.at_home == pool.spilled == 0


async def test_conversations_stay_on_their_replicas(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 3, model={"balancing": "prefix"}) as fleet:
        for number in range(9):
            before = fleet.asked()
            messages = [{"role": "user", "content": f"question {number}"}]
            for _ in range(3):
                document = {"model": "m", "messages": messages}
                response = await fleet.api.post(CHAT_PATH, document)
                assert response.status_code == 200
                messages += [response.json()["choices"][0]["message"], messages[0]]
            more = [now - then for now, then in zip(fleet.asked(), before, strict=True)]
            assert sorted(more) == [0, 0, 3]
        assert all(fleet.asked())
        text = (await fleet.api.get("/metrics", key=fleet.api.admin_key)).text
        placed = 'querylake_prefix_placements{model="m",result="home",stack="stable"}'
        assert f"{placed} 27" in text
