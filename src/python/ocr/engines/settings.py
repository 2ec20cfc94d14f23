"""Which engine reads pages, and how. Values only, so that they can be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from llm_provider.config import UpstreamConfig


@dataclass(frozen=True, slots=True)
class RapidSettings:
    """The models of the RapidOCR wheel, on the CPU.

    Attributes:
        threads: of one engine. Several engines in processes of their own use cores better than one
            engine with several threads.
    """

    threads: int = 1


@dataclass(frozen=True, slots=True)
class VisionProfile:
    """What a page may cost a vision model.

    Attributes:
        pixels: of the image that is sent; a larger page is made smaller.
        tokens: of the answer. One that needs more is cut off, and that page fails.
    """

    pixels: int
    tokens: int


VisionProfileName = Literal["fast", "balanced", "dense"]

VISION_PROFILES: dict[VisionProfileName, VisionProfile] = {
    "fast": VisionProfile(pixels=1_000_000, tokens=2_048),
    "balanced": VisionProfile(pixels=2_000_000, tokens=4_096),
    "dense": VisionProfile(pixels=4_000_000, tokens=8_192),
}


@dataclass(frozen=True, slots=True)
class VisionSettings:
    """A model behind OpenAI's chat API that sees images.

    Attributes:
        upstream: where it is, with its own key.
        model: its name there.
    """

    upstream: UpstreamConfig
    model: str
    profile: VisionProfile = field(default_factory=lambda: VISION_PROFILES["balanced"])


EngineSettings = RapidSettings | VisionSettings
EngineName = Literal["rapidocr", "vision"]
