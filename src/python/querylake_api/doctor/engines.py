"""Each engine: that it answers, takes our key, and serves the models that targets name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson

from llm_provider.errors import ProviderError, UpstreamUnavailable
from llm_provider.provider import LLMProvider
from querylake_api.configuration.loading import Configuration
from querylake_api.doctor.clocks import clock, http_date
from querylake_api.doctor.findings import Finding, fault, good, unknown, warning
from querylake_api.settings import Settings
from querylake_api.upstreams.registry import provider_for
from querylake_api.upstreams.runtime_status import RuntimeClient

SECONDS = 10.0


async def examine_engines(configuration: Configuration) -> list[Finding]:
    """Look at every configured engine whose key is known, all at once."""
    found = await asyncio.gather(
        *(_examine(name, configuration) for name in configuration.upstreams)
    )
    return [finding for findings in found for finding in findings]


async def _examine(name: str, configuration: Configuration) -> list[Finding]:
    subject = f"upstream {name}"
    provider = provider_for(configuration.upstreams[name])
    try:
        async with asyncio.timeout(SECONDS):
            findings = await _ask(subject, name, provider, configuration.settings)
    except TimeoutError:
        findings = [
            fault(subject, f"no answer within {SECONDS:g} s", "is the engine stuck? restart it")
        ]
    except ProviderError as error:
        findings = [fault(subject, str(error), _remedy(error))]
    finally:
        await provider.close()
    runtime = configuration.settings.upstreams[name].runtime_url
    if runtime is not None:
        findings.append(await _runtime(f"runtime of {name}", runtime))
    return findings


async def _ask(subject: str, name: str, provider: LLMProvider, settings: Settings) -> list[Finding]:
    health = await provider.health()
    if not health.ok:
        return [fault(subject, health.detail, "start it, or correct base_url; its log says more")]
    asked = datetime.now(UTC)
    async with await provider.relay("GET", "/models") as relay:
        body = await relay.read()
    answered = datetime.now(UTC)
    if relay.status in (401, 403):
        return [
            fault(
                subject,
                f"it refuses our key with {relay.status}",
                f"put its own key into upstreams.{name}.api_key_env or api_key_file",
            )
        ]
    wanted = _wanted(name, settings)
    if relay.status != 200:
        detail = f"answers, but lists no models (status {relay.status})"
        return [unknown(subject, detail, f"check by hand that it serves {', '.join(wanted)}")]
    findings = [*_models(subject, wanted, body)]
    theirs = http_date(relay.headers.get("date"))
    if theirs is not None:
        findings.append(clock(f"clock of {name}", theirs, asked, answered))
    return findings


def _models(subject: str, wanted: list[str], body: bytes) -> Iterator[Finding]:
    served = _served(body)
    missing = [model for model in wanted if model not in served]
    if not missing:
        yield good(subject, f"answers, serves {', '.join(wanted) or 'no model of ours'}")
        return
    yield fault(
        subject,
        f"answers, and does not serve {', '.join(missing)} but {', '.join(served) or 'nothing'}",
        "correct `model` in the target, or start the engine with that model",
    )


def _served(body: bytes) -> list[str]:
    try:
        data = orjson.loads(body)["data"]
        return [str(model["id"]) for model in data]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return []


def _wanted(upstream: str, settings: Settings) -> list[str]:
    """Return what targets expect of an engine."""
    return sorted(
        {
            target.model
            for model in settings.models.values()
            for target in model.targets
            if target.upstream == upstream
        }
    )


async def _runtime(subject: str, url: str) -> Finding:
    client = RuntimeClient(url)
    try:
        async with asyncio.timeout(SECONDS):
            status = await client.status()
    except TimeoutError:
        status = None
    finally:
        await client.close()
    if status is None:
        return warning(
            subject,
            f"nothing answers at {url}/runtime/status",
            "without it a rollout cannot see memory or restarts; start vllm_runtime, or correct "
            "runtime_url",
        )
    if not status.ready:
        return fault(subject, f"it is {status.state}", "wait, or see its log")
    return good(subject, f"{status.state}, {status.restarts} restarts")


def _remedy(error: ProviderError) -> str:
    if isinstance(error, UpstreamUnavailable):
        return "start it, or correct base_url; is a firewall in between?"
    return "its log says more"
