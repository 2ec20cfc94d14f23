"""`doctor`: what is wrong is found, named, and comes with what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api.configuration.loading import Configuration, load_configuration
from querylake_api.doctor.clocks import TOLERANCE_SECONDS, clock, http_date
from querylake_api.doctor.cluster import examine_cluster
from querylake_api.doctor.database import examine_database
from querylake_api.doctor.engines import examine_engines
from querylake_api.doctor.findings import Finding
from querylake_api.doctor.machine import examine_machine, request_path
from querylake_api.doctor.ray_versions import own_ray
from querylake_api.keys.models import Scope
from querylake_api.persistence.database import open_database
from querylake_api.persistence.errors import SchemaTooNew
from querylake_api.persistence.migrate import migrate
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.running import create_key, write_config

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def configuration(tmp_path: Path, database_url: str, engine: ScriptedEngine) -> Configuration:
    return load_configuration(
        write_config(
            tmp_path,
            database=database_url,
            upstreams={"engine": {"base_url": engine.url}},
            models={
                "chatty": {
                    "capabilities": ["chat"],
                    "targets": [{"upstream": "engine", "model": "Real/Chatty-7B"}],
                }
            },
        )
    )


def _by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


async def _all(findings: AsyncIterator[Finding]) -> dict[str, Finding]:
    return _by_subject([finding async for finding in findings])


async def test_an_engine_that_serves_what_targets_name_is_good(
    configuration: Configuration, engine: ScriptedEngine
) -> None:
    async def models(exchange: Exchange) -> None:
        await exchange.whole(
            {"object": "list", "data": [{"id": "Real/Chatty-7B"}]},
            headers={"date": format_datetime(datetime.now(UTC), usegmt=True)},
        )

    engine.script = models
    findings = await examine_engines(configuration)

    assert [finding.verdict for finding in findings] == ["good", "good"]


async def test_a_model_that_the_engine_lacks_is_named_with_what_it_has(
    configuration: Configuration, engine: ScriptedEngine
) -> None:
    async def models(exchange: Exchange) -> None:
        await exchange.whole({"object": "list", "data": [{"id": "Other-1B"}]})

    engine.script = models
    (finding,) = await examine_engines(configuration)

    assert finding.verdict == "fault"
    assert "Real/Chatty-7B" in finding.detail
    assert "Other-1B" in finding.detail


async def test_a_key_that_the_engine_refuses_is_a_fault(
    configuration: Configuration, engine: ScriptedEngine
) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.whole({"error": {"message": "no"}}, status=401)

    engine.script = refuse
    (finding,) = await examine_engines(configuration)

    assert finding.verdict == "fault"
    assert "upstreams.engine.api_key_env" in finding.remedy


async def test_an_engine_that_is_away_is_a_fault(
    configuration: Configuration, engine: ScriptedEngine
) -> None:
    async def hang_up(exchange: Exchange) -> None:
        exchange.hang_up()

    engine.script = engine.probe_script = hang_up
    (finding,) = await examine_engines(configuration)

    assert finding.verdict == "fault"
    assert "start it" in finding.remedy


async def test_the_database_is_looked_into(configuration: Configuration) -> None:
    empty = await _all(examine_database(configuration))
    await create_key(configuration, scopes=(Scope.INFERENCE,))
    without_admin = await _all(examine_database(configuration))
    await create_key(configuration, scopes=(Scope.ADMIN,))
    complete = await _all(examine_database(configuration))

    assert empty["database"].verdict == empty["clock of the database"].verdict == "good"
    assert empty["keys"].remedy.startswith("`keys create")
    assert "--scope admin" in without_admin["keys"].remedy
    assert complete["keys"].detail == "2 valid, 1 of them for administration"
    assert {finding.verdict for finding in complete.values()} == {"good"}


async def test_a_database_of_a_newer_version_is_a_fault_as_for_serve(
    configuration: Configuration, postgres: TestPostgres, database_url: str
) -> None:
    await postgres.execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    finding = (await _all(examine_database(configuration)))["tables"]
    assert finding.verdict == "fault"
    assert "was migrated by a newer QueryLake, to revision 9999; run that version" in finding.detail
    async with open_database(configuration) as database:
        with pytest.raises(SchemaTooNew) as refused:
            await migrate(database)
    assert str(refused.value) == finding.detail


async def test_a_database_that_is_away_is_one_fault_without_a_password(tmp_path: Path) -> None:
    path = write_config(tmp_path, database="postgresql://me:secret@127.0.0.1:9/none")

    found = await _all(examine_database(load_configuration(path)))

    assert [finding.verdict for finding in found.values()] == ["fault"]
    assert "secret" not in str(found)


def test_the_machine_is_looked_at(configuration: Configuration) -> None:
    subjects = [finding.subject for finding in examine_machine(configuration)]

    assert subjects == ["state folder", "open files", "request path"]


def test_a_program_that_was_not_compiled_is_no_secret(tmp_path: Path) -> None:
    compiled = request_path(str(tmp_path / "src" / "exchange.cpython-311.so"))
    packaged = request_path(str(tmp_path / "src" / "exchange.py"))
    (tmp_path / "pants.toml").touch()
    checkout = request_path(str(tmp_path / "src" / "exchange.py"))

    assert (compiled.verdict, packaged.verdict) == ("good", "warning")
    assert "C compiler" in packaged.remedy
    assert checkout.verdict == "good", "nothing is wrong with a laptop"
    assert "interpreted" in checkout.detail


@given(st.floats(-1e6, 1e6), st.floats(0, 5))
def test_a_clock_is_wrong_only_beyond_what_asking_took(offset: float, took: float) -> None:
    theirs = NOW + timedelta(seconds=offset)
    verdict = clock("clock", theirs, NOW, NOW + timedelta(seconds=took)).verdict

    beyond = max(-offset, offset - took)
    if beyond > TOLERANCE_SECONDS + 1e-5:
        assert verdict == "warning"
    elif beyond < TOLERANCE_SECONDS - 1e-5:
        assert verdict == "good"


@pytest.mark.parametrize("value", [None, "", "yesterday", "Thu, 99 Jan 2026 00:00:00 GMT"])
def test_a_date_that_cannot_be_read_says_nothing(value: str | None) -> None:
    assert http_date(value) is None


@pytest.mark.parametrize(
    ("version", "verdict"), [(own_ray(), "good"), ("1.0.0", "fault")], ids=["same", "other"]
)
async def test_a_cluster_of_another_version_is_a_fault(
    engine: ScriptedEngine, version: str, verdict: str
) -> None:
    async def dashboard(exchange: Exchange) -> None:
        await exchange.whole({"version": "4", "ray_version": version, "session_name": "s"})

    engine.script = engine.probe_script = dashboard
    finding = await asyncio.to_thread(examine_cluster, engine.url.removesuffix("/v1"))

    assert finding.verdict == verdict


async def test_what_is_no_dashboard_is_told(engine: ScriptedEngine) -> None:
    finding = await asyncio.to_thread(examine_cluster, engine.url.removesuffix("/v1"))

    assert finding.verdict == "fault"
    assert "404" in finding.detail
