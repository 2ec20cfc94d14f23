"""The settings of a vision model from what was given on a command line."""

from __future__ import annotations

import os

from llm_provider.config import UpstreamConfig
from ocr.engines.settings import VISION_PROFILES, VisionProfileName, VisionSettings
from ocr.errors import EngineMisconfigured

KEY_VARIABLE = "OCR_VISION_API_KEY"


def vision_settings(
    url: str | None, model: str | None, profile: VisionProfileName
) -> VisionSettings:
    """Return the settings; the key comes from the environment.

    Raises:
        EngineMisconfigured: the URL or the model is missing, or the URL is none.
    """
    if not url or not model:
        raise EngineMisconfigured("a vision model needs --vision-url and --vision-model")
    if not url.startswith(("http://", "https://")):
        raise EngineMisconfigured(
            f"--vision-url {url!r} does not begin with http:// or https://; "
            "give it such as http://gpu1:8001/v1"
        )
    upstream = UpstreamConfig(
        name="vision",
        base_url=url.rstrip("/"),
        api_key=os.environ.get(KEY_VARIABLE, "").strip() or None,
    )
    return VisionSettings(upstream, model, VISION_PROFILES[profile])
