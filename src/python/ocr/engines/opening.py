"""Makes an engine from its settings."""

from __future__ import annotations

from ocr.engines.engine import OcrEngine
from ocr.engines.settings import EngineSettings, RapidSettings


def open_engine(settings: EngineSettings) -> OcrEngine:
    """Return an engine. One serves many documents, in one process.

    Raises:
        EngineMissing: its models are not installed.
    """
    # Imported here because each brings libraries that the other does without.
    if isinstance(settings, RapidSettings):
        from ocr.engines.rapid.engine import RapidEngine

        return RapidEngine(settings)
    from ocr.engines.vision import VisionEngine

    return VisionEngine(settings)
