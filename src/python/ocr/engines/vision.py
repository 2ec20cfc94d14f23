"""A vision model over HTTP: one page, one chat completion, Markdown back."""

from __future__ import annotations

import asyncio
import base64
import math
import re
from typing import Any

import cv2

from llm_provider.errors import ProviderError, UpstreamFailed, UpstreamRejected, UpstreamTimeout
from llm_provider.openai_http import OpenAIHTTPProvider
from llm_provider.provider import JsonObject
from ocr.deadline import Deadline
from ocr.engines.engine import MarkdownReading, Pixels
from ocr.engines.settings import VisionSettings
from ocr.errors import EngineFailed, PageCutOff, PageTimedOut

_PROMPT = (
    "Transcribe this page as Markdown, in reading order and in its own language. Leave out running "
    "headers, footers and page numbers. Write tables as Markdown tables and headings with #. "
    "Answer with the Markdown alone. If the page is empty, answer with nothing."
)
_FENCED = re.compile(r"\s*```(?:markdown|md)?\n(.*?)\n?```\s*", re.S)
_SHOWN = 300
"""Bytes of a refusal that an error repeats."""


class VisionEngine:
    """Reads pages with a model that sees; an `OcrEngine`."""

    whole_pages = True
    alphabet = None

    def __init__(self, settings: VisionSettings) -> None:
        self._settings = settings
        self.name = f"{settings.model} at {settings.upstream.name}"

    def close(self) -> None:
        """Nothing is held: each page has a connection of its own, which costs it nothing."""

    def read(self, image: Pixels, deadline: Deadline) -> MarkdownReading:
        """Read a page.

        Raises:
            PageCutOff: the answer ended for another reason than that it was complete.
            PageTimedOut: no answer came in time.
            EngineFailed: the model's server refused, failed, or sent no text.
        """
        request = self._request(image)
        try:
            answer = asyncio.run(self._answer(request, deadline.remaining()))
        except (TimeoutError, UpstreamTimeout):
            raise PageTimedOut(
                f"{self.name} gave no answer within {deadline.seconds:g} s; raise the limit of "
                "seconds, or choose a smaller profile"
            ) from None
        except (UpstreamRejected, UpstreamFailed) as error:
            # llama.cpp refuses with 500 as well, so only the body tells.
            said = error.body[:_SHOWN].decode("utf-8", "replace")
            raise EngineFailed(f"{self.name} answered with {error.status}: {said}") from error
        except ProviderError as error:
            raise EngineFailed(str(error)) from error
        return MarkdownReading(self._markdown(answer))

    async def _answer(self, request: JsonObject, seconds: float) -> JsonObject:
        provider = OpenAIHTTPProvider(self._settings.upstream)
        try:
            async with asyncio.timeout(seconds):
                return await provider.chat(request)
        finally:
            await provider.close()

    def _request(self, image: Pixels) -> JsonObject:
        url = "data:image/png;base64," + base64.b64encode(self._encoded(image)).decode()
        return {
            "model": self._settings.model,
            "temperature": 0,
            "max_tokens": self._settings.profile.tokens,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": url}},
                        {"type": "text", "text": _PROMPT},
                    ],
                }
            ],
        }

    def _encoded(self, image: Pixels) -> bytes:
        """Return a page as PNG, within the profile's pixels."""
        height, width = image.shape[:2]
        factor = min(1.0, math.sqrt(self._settings.profile.pixels / (height * width)))
        if factor < 1.0:
            size = max(1, int(width * factor)), max(1, int(height * factor))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(image.dtype)
        _, encoded = cv2.imencode(".png", image[:, :, ::-1])
        return encoded.tobytes()

    def _markdown(self, answer: dict[str, Any]) -> str:
        try:
            choice = answer["choices"][0]
            reason, content = choice.get("finish_reason"), choice["message"]["content"]
        except (KeyError, IndexError, TypeError, AttributeError):
            raise EngineFailed(f"{self.name} sent something that is no chat completion") from None
        if reason == "length":
            raise PageCutOff(
                f"{self.name} stopped after {self._settings.profile.tokens} tokens, before the "
                "page's end; choose a larger profile"
            )
        if reason != "stop":
            raise PageCutOff(f"{self.name} stopped before the page's end: {reason}")
        if not isinstance(content, str):
            raise EngineFailed(f"{self.name} sent no text")
        fenced = _FENCED.fullmatch(content)
        return (fenced[1] if fenced else content).strip()
