"""Makes an engine from its settings."""

from __future__ import annotations

from ocr.engines.engine import OcrEngine
from ocr.engines.rapid.engine import RapidEngine
from ocr.engines.settings import EngineSettings, RapidSettings
from ocr.engines.vision import VisionEngine


def open_engine(settings: EngineSettings) -> OcrEngine:
    """Load an engine. One engine serves many documents, in one process.

    Raises:
        EngineMissing: its models are not installed.
    """
    if isinstance(settings, RapidSettings):
        return RapidEngine(settings)
    return VisionEngine(settings)
