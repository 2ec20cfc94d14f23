"""A vision model over HTTP: what is sent, and what counts as an answer."""

from __future__ import annotations

import base64
import io
import json
import threading

import pytest
from PIL import Image

from llm_provider.config import UpstreamConfig
from ocr.conversion.assembly import DocumentResult, assemble
from ocr.conversion.convert import convert
from ocr.conversion_options import ConversionOptions, Limits
from ocr.engines.settings import VisionProfile, VisionSettings
from ocr.engines.vision import VisionEngine
from ocr.engines.vision_options import vision_settings
from ocr.errors import EngineMisconfigured
from ocr_testing.pages import blank, encoded
from ocr_testing.vision_server import completion, server


def read(url: str, content: bytes, limits: Limits | None = None) -> DocumentResult:
    settings = VisionSettings(
        UpstreamConfig("eyes", url, api_key="secret"),
        model="seer",
        profile=VisionProfile(pixels=10_000, tokens=77),
    )
    options = ConversionOptions(engine=settings, limits=limits or Limits())
    engine = VisionEngine(settings)
    return assemble(list(convert(content, options, engine)), engine.name)


def test_a_page_is_sent_within_the_profile_and_comes_back_as_markdown() -> None:
    seen: list[tuple[dict[str, object], dict[str, str]]] = []

    def answer(body: dict[str, object], headers: dict[str, str]) -> tuple[int, object]:
        seen.append((body, headers))
        return completion("```markdown\n# Title\n\n| a | b |\n| --- | --- |\n```")

    with server(answer) as url:
        result = read(url, encoded(blank(400, 200)))
    assert result.markdown == "# Title\n\n| a | b |\n| --- | --- |"
    assert result.output_contract == "ocr_markdown"
    assert result.pages[0].blocks[0].type == "markdown"
    body, headers = seen[0]
    assert headers["authorization"] == "Bearer secret"
    assert headers[":path"] == "/v1/chat/completions"
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("seer", 77, 0)
    sent = json.loads(json.dumps(body))["messages"][0]["content"][0]["image_url"]["url"]
    image = Image.open(io.BytesIO(base64.b64decode(sent.partition(",")[2])))
    assert image.size == (141, 70)  # 10,000 pixels in the same shape


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (completion("# Half of", "length"), "page_cut_off", "77 tokens"),
        (completion("", "content_filter"), "page_cut_off", "content_filter"),
        (completion(None), "engine_failed", "no text"),
        ((200, {"choices": []}), "engine_failed", "no chat completion"),
        ((400, {"error": {"message": "no images"}}), "engine_failed", "no images"),
        (
            (500, {"error": {"message": "broken"}}),
            "engine_failed",
            '500: {"error": {"message": "broken"',
        ),
    ],
)
def test_what_is_no_whole_answer_fails_the_page(
    answer: tuple[int, object], code: str, said: str
) -> None:
    with server(lambda body, headers: answer) as url:
        result = read(url, encoded(blank()))
    assert result.status == "failed"
    assert result.markdown == ""
    assert [(error.page, error.code) for error in result.errors] == [(1, code)]
    assert said in result.errors[0].message


def test_a_server_that_does_not_answer_fails_the_page_in_time() -> None:
    finished = threading.Event()

    def answer(body: dict[str, object], headers: dict[str, str]) -> tuple[int, object]:
        finished.wait(60)
        return completion("late")

    with server(answer) as url:
        try:
            result = read(url, encoded(blank()), limits=Limits(seconds=0.5))
        finally:
            finished.set()
    assert [error.code for error in result.errors] == ["page_timed_out"]


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(EngineMisconfigured, match="--vision-model"):
        vision_settings("http://gpu1/v1", None, "fast")
    with pytest.raises(EngineMisconfigured, match="gpu1:8001"):
        vision_settings("gpu1:8001/v1", "seer", "fast")
