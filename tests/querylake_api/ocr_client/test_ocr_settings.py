"""`[ocr]`: absent, wrong, reloaded, examined; and what the API says of its routes."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api.configuration.loading import load_configuration
from querylake_api.doctor.ocr import examine_ocr
from querylake_api_testing.commands import Run
from querylake_api_testing.ocr import (
    JOB,
    VIEW,
    ConfigureOcr,
    upload,
)
from querylake_api_testing.running import RunningApi, running_api, write_config


async def test_without_the_section(tmp_path: Path, database_url: str) -> None:
    async with running_api(write_config(tmp_path, database=database_url)) as api:
        response = await upload(api)
        assert response.status_code == 404
        error = response.json()["error"]
        assert error["code"] == "ocr_not_configured"
        assert "[ocr]" in error["message"]
        assert (await api.client.post("/v1/ocr")).status_code == 401
        assert "ocr" not in (await api.client.get("/readyz")).json()


async def test_doctor_tells_a_wrong_key(
    configure_ocr: ConfigureOcr, ocr_service: ScriptedEngine
) -> None:
    config = load_configuration(configure_ocr(ocr_service.url)).ocr
    assert config is not None
    assert (await examine_ocr(config)).verdict == "good"

    async def refuse(exchange: Exchange) -> None:
        await exchange.whole({}, status=401)

    ocr_service.script = refuse
    finding = await examine_ocr(config)
    assert finding.verdict == "fault"
    assert "ocr.api_key_env" in finding.remedy


async def test_a_reload_brings_the_service(
    tmp_path: Path, database_url: str, configure_ocr: ConfigureOcr, ocr_service: ScriptedEngine
) -> None:
    async with running_api(write_config(tmp_path, database=database_url)) as api:
        assert (await api.get(JOB)).status_code == 404
        configure_ocr(ocr_service.url)
        await api.client.post("/admin/config/reload", headers=api.headers(api.admin_key))
        assert (await api.get(JOB)).json() == VIEW


def test_a_conversion_has_its_time_whatever_else_is_set(tmp_path: Path) -> None:
    ocr = {"base_url": "http://ocr:8200/v1", "timeouts": {"connect": 1.0}}
    config = load_configuration(write_config(tmp_path, database="embedded:pg", ocr=ocr)).ocr
    assert config is not None
    assert (config.timeouts.connect, config.timeouts.first_byte) == (1.0, 600.0)


def test_a_key_that_is_missing_is_a_fault_of_the_configuration(
    configure_ocr: ConfigureOcr, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    path = configure_ocr("http://127.0.0.1:1/v1")
    monkeypatch.delenv("TEST_OCR_KEY")
    code, _, err = run("check-config", "--config", str(path))
    assert code == 78
    assert "ocr.api_key_env: the environment variable TEST_OCR_KEY is not set" in err


async def test_it_is_documented(ocr_api: RunningApi) -> None:
    document = (await ocr_api.client.get("/openapi.json")).json()
    assert set(document["paths"]["/v1/ocr/jobs"]) == {"get", "post"}
    assert "multipart/form-data" in document["paths"]["/v1/ocr"]["post"]["requestBody"]["content"]
