"""The OCR service: that it answers, and takes our key."""

from __future__ import annotations

import asyncio

from llm_provider.config import UpstreamConfig
from llm_provider.errors import ProviderError
from querylake_api.doctor.findings import Finding, fault, good
from querylake_api.ocr_client.service import OcrService, open_ocr

SECONDS = 10.0
_SUBJECT = "ocr service"
_START = "start `ocr.pex serve`, or correct ocr.base_url"


async def examine_ocr(config: UpstreamConfig) -> Finding:
    """Look at the OCR service."""
    async with open_ocr(config) as service:
        assert service is not None
        try:
            async with asyncio.timeout(SECONDS):
                return await _ask(service)
        except TimeoutError:
            return fault(_SUBJECT, f"no answer within {SECONDS:g} s", "is it stuck? restart it")
        except ProviderError as error:
            return fault(_SUBJECT, str(error), _START)


async def _ask(service: OcrService) -> Finding:
    trouble = await service.health()
    if trouble is not None:
        return fault(_SUBJECT, trouble, _START)
    async with service.answer(
        "GET", "/v1/ocr/jobs", headers={}, params={"limit": "1"}, body=None
    ) as answer:
        status = answer.status
    if status in (401, 403):
        return fault(
            _SUBJECT,
            f"it refuses our key with {status}",
            "put its own key, OCR_API_KEY, into ocr.api_key_env or ocr.api_key_file",
        )
    if status != 200:
        return fault(
            _SUBJECT, f"its jobs cannot be listed (status {status})", "is base_url an OCR service?"
        )
    return good(_SUBJECT, "answers, takes our key")
