"""How often a request is sent again: by attempts, by a budget, and by a deadline."""

from __future__ import annotations

from pathlib import Path

from llm_provider_testing.scripted_engine import answering
from querylake_api_testing.engine_faults import hang_up, say_nothing
from querylake_api_testing.several_engines import replicas


async def test_a_poisonous_request_kills_two_engines_at_most(
    tmp_path: Path, database_url: str
) -> None:
    async with replicas(tmp_path, database_url, 3) as running:
        for engine in running.engines:
            engine.script = hang_up
        response = await running.ask()
        assert response.status_code == 502
        assert response.json()["error"]["code"] == "upstream_interrupted"
        assert running.asked() == [1, 1, 0]


async def test_engines_that_did_not_begin_on_it_are_all_tried(
    tmp_path: Path, database_url: str
) -> None:
    async with replicas(tmp_path, database_url, 3) as running:
        for engine in running.engines[:2]:
            engine.script = answering(b"busy", status=503, headers={"retry-after": "60"})
        assert (await running.ask()).status_code == 200
        assert running.asked() == [1, 1, 1]
        # They want to be left alone, so they are.
        assert (await running.ask()).status_code == 200
        assert running.asked() == [1, 1, 2]
        running.engines[2].script = answering(b"busy", status=429, headers={"retry-after": "90"})
        response = await running.ask()
        assert (response.status_code, response.headers["retry-after"]) == (503, "60")
        assert running.asked() == [2, 2, 3]


async def test_the_number_of_attempts_has_a_limit(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 3, retry={"max_attempts": 2}) as running:
        for engine in running.engines:
            engine.script = answering(b"busy", status=503)
        assert (await running.ask()).status_code == 503
        assert running.asked() == [1, 1, 0]


async def test_retries_have_a_budget(tmp_path: Path, database_url: str) -> None:
    settings: dict[str, object] = {"ratio": 0.0, "reserve": 2.0}
    async with replicas(
        tmp_path, database_url, retry=settings, breaker={"failures": 1000}
    ) as running:
        for engine in running.engines:
            engine.script = answering(b"busy", status=503)
        for _ in range(10):
            assert (await running.ask()).status_code == 503
        assert sum(running.asked()) == 12


async def test_a_deadline_holds_over_all_attempts(tmp_path: Path, database_url: str) -> None:
    # Each attempt would end by itself in less than that, and both together would not.
    hurried = {0: 1.0, 1: 1.0}
    model: dict[str, object] = {"deadline_seconds": 1.75}
    async with replicas(tmp_path, database_url, hurried=hurried, model=model) as running:
        for engine in running.engines:
            engine.script = say_nothing
        response = await running.ask()
        assert response.status_code == 504
        error = response.json()["error"]
        assert (error["code"], error["type"]) == ("deadline_exceeded", "upstream_error")
        assert error["message"] == "'m' had no answer within the 1.75 s that it may take."
        assert running.asked()[0] == 1
