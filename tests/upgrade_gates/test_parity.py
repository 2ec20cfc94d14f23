"""`parity contract` and `parity verify`, between toy engines over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from answer_parity.causes import Cause
from answer_parity.shapes import CONTINUATIONS
from answer_parity.verdict import Standing, Verdict, judge
from llm_provider_testing.scripted_engine import Exchange, scripted_engine
from upgrade_gates.cli import app
from upgrade_gates.errors import EngineUnusable, PromptsUnusable
from upgrade_gates.parity.comparison import Comparison, Plan
from upgrade_gates.parity.engine import Engine
from upgrade_gates.parity.prompts import built_in, from_file
from upgrade_gates_testing.toy_engine import Faults, toy_engine

PROMPTS = built_in()[:16]


async def test_a_run_that_fails_fast_asks_no_more_than_it_must() -> None:
    async with toy_engine() as left, toy_engine(Faults(bos=2)) as right:
        old, new = Engine("old", left.url, None, None, 60), Engine("new", right.url, None, None, 60)
        run = Comparison(old, new, Plan(PROMPTS, fail_fast=True), lambda line: None)
        verdict = judge(await run.run())
        for engine in (old, new):
            await engine.close()
    assert verdict.causes == (Cause.BOS_DOUBLED,)
    assert new.requests <= 5
    assert new.generating == 0


async def compared(new: Faults, old: Faults | None = None) -> Verdict:
    """Compare a sound engine with a new one."""
    async with toy_engine(old) as left, toy_engine(new) as right:
        engines = Engine("old", left.url, None, None, 60), Engine("new", right.url, None, None, 60)
        try:
            run = Comparison(*engines, Plan(PROMPTS), lambda line: None)
            return judge(await run.run())
        finally:
            for engine in engines:
                await engine.close()


async def test_the_same_engine_is_equivalent() -> None:
    verdict = await compared(Faults())
    assert verdict.standing is Standing.EQUIVALENT, verdict.sentence
    assert "prompts render to the same tokens" in verdict.sentence
    assert verdict.not_measured == ("request fields: an engine has no /openapi.json",)


async def test_other_arithmetic_within_the_margin_is_equivalent() -> None:
    verdict = await compared(Faults(noise=0.02))
    assert verdict.standing is Standing.EQUIVALENT, verdict.sentence


@pytest.mark.parametrize(
    ("faults", "cause"),
    [
        (Faults(end_of_turn="<end>\n\n"), Cause.TEMPLATE),
        (Faults(bos=2), Cause.BOS_DOUBLED),
        (Faults(bos=0), Cause.BOS_MISSING),
        (Faults(shift=3), Cause.TOKENIZER),
        (Faults(context=900), Cause.CONTEXT),
        (Faults(reads=900), Cause.CONTEXT),
        (Faults(structured=("response_format",)), Cause.STRUCTURED_OUTPUT),
        (Faults(reasoning_field="reasoning"), Cause.REASONING_FIELD),
        (Faults(tool_parser=False), Cause.TOOL_PARSER),
        (Faults(temperature=0.5), Cause.SAMPLING_DEFAULTS),
        (Faults(processed=True), Cause.LOGPROBS),
        (Faults(noise=0.4), Cause.WEIGHTS),
        (Faults(noise_in_batch=0.4), Cause.KERNEL_UNDER_LOAD),
    ],
    ids=lambda value: value.name if isinstance(value, Cause) else "",
)
async def test_a_planted_fault_is_found_with_its_cause(faults: Faults, cause: Cause) -> None:
    verdict = await compared(faults)
    assert verdict.standing is Standing.DIFFERENT, verdict.sentence
    assert verdict.causes[0] is cause, verdict.sentence
    assert verdict.remedies


async def test_engines_that_tell_little_are_compared_by_what_they_tell() -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.request.path != "/v1/chat/completions":
            await exchange.whole({"detail": "Not Found"}, status=404)
            return
        message = {"content": "Paris."}
        choice = {"message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": len(exchange.request.body), "completion_tokens": 2}
        await exchange.whole({"choices": [choice], "usage": usage})

    async with scripted_engine() as left, scripted_engine() as right:
        for engine in (left, right):
            engine.script, engine.probe_script = script, None
        engines = Engine("old", left.url, "m", None, 60), Engine("new", right.url, "m", None, 60)
        run = Comparison(*engines, Plan(PROMPTS), lambda line: None)
        verdict = judge(await run.run())
        for each in engines:
            await each.close()
    assert verdict.standing is Standing.EQUIVALENT
    assert "scored text: an engine has no prompt_logprobs" in verdict.not_measured


async def test_an_engine_that_has_crashed_is_not_equivalent() -> None:
    with pytest.raises(EngineUnusable, match="the old engine .* with status 500"):
        await compared(Faults(), Faults(crashed=True))
    with pytest.raises(EngineUnusable, match="the new engine .* with status 500"):
        await compared(Faults(crashed=True))


async def test_an_engine_that_is_away_is_one_sentence() -> None:
    engine = Engine("new", "http://127.0.0.1:9/v1", None, None, 5)
    with pytest.raises(
        EngineUnusable, match="the new engine at http://127.0.0.1:9/v1 does not ans"
    ):
        await engine.model()
    await engine.close()


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["parity", *arguments])
    return result.exit_code, result.stdout


async def test_the_command_says_what_it_found_and_ends_accordingly(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("\n".join(CONTINUATIONS[:12]))
    async with toy_engine() as old, toy_engine() as same, toy_engine(Faults(bos=2)) as other:
        arguments = ("verify", "--old", old.url, "--prompts", str(prompts))
        sound = await asyncio.to_thread(run, *arguments, "--new", same.url)
        faulty = await asyncio.to_thread(run, *arguments, "--new", other.url, "--json")
    assert sound[0] == 0, sound[1]
    assert "equivalent:" in sound[1]
    assert faulty[0] == 1
    document = json.loads(faulty[1])
    assert document["standing"] == "different"
    assert document["causes"][0] == "doubled beginning-of-sequence token"
    assert document["divergence"]["alone"]["prompts"] == 12


def openapi(*fields: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {field: {"type": "string"} for field in fields}}
    body = {"content": {"application/json": {"schema": schema}}}
    return {"paths": {"/v1/chat/completions": {"post": {"requestBody": body}}}}


def serving(documents: dict[str, Any]) -> Callable[[Exchange], Any]:
    async def script(exchange: Exchange) -> None:
        document = documents.get(exchange.request.path)
        await exchange.whole(document or {"detail": "Not Found"}, status=200 if document else 404)

    return script


async def test_only_fields_that_callers_send_count() -> None:
    async with scripted_engine() as old, scripted_engine() as new, scripted_engine() as api:
        for engine in (old, new, api):
            engine.probe_script = None
        old.script = serving({"/openapi.json": openapi("messages", "guided_json", "best_of")})
        new.script = serving({"/openapi.json": openapi("messages", "structured_outputs")})
        sent = {
            "route": "/v1/chat/completions",
            "model": "m",
            "field": "guided_json",
            "requests": 7,
        }
        api.script = serving({"/admin/contract": {"fields": [sent]}})
        engines = ("contract", "--old", old.url, "--new", new.url, "--json")
        alone = await asyncio.to_thread(run, *engines)
        root = api.url.removesuffix("/v1")
        crossed = await asyncio.to_thread(run, *engines, "--api", root)
        silent = await asyncio.to_thread(run, *engines, "--api", f"{root}/nowhere")
    assert (alone[0], {each["field"] for each in json.loads(alone[1]) if each["hurts"]}) == (
        1,
        {"guided_json", "best_of"},
    )
    [hurting] = [each for each in json.loads(crossed[1]) if each["hurts"]]
    assert (hurting["field"], hurting["sent"]) == ("guided_json", 7)
    assert hurting["successor"] == "structured_outputs.json"
    assert silent[0] != 0


def test_prompts_are_text_or_requests(tmp_path: Path) -> None:
    file = tmp_path / "prompts"
    messages = [{"role": "user", "content": "c"}]
    file.write_text(f'a b\n"b"\n\n{json.dumps({"messages": messages, "temperature": 0.3})}\n')
    assert [body["messages"][0]["content"] for body in from_file(file)] == ["a b", "b", "c"]
    assert set(from_file(file)[2]) == {"messages"}
    for content, reason in (("", "holds no prompt"), ("[1]", r"prompts:1 is neither text nor")):
        file.write_text(content)
        with pytest.raises(PromptsUnusable, match=reason):
            from_file(file)
    with pytest.raises(PromptsUnusable, match="cannot be read"):
        from_file(tmp_path / "missing")
