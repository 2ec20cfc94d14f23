"""Makes pages look as a scanner sees them."""

from __future__ import annotations

import io
from random import Random

import numpy as np
import pypdfium2  # type: ignore[import-untyped]
from PIL import Image, ImageFilter


def rendered(pdf: bytes, dpi: int) -> list[Image.Image]:
    """Return the pages of a PDF in grey."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.render(scale=dpi / 72).to_pil().convert("L") for page in document]


def noisy(image: Image.Image, random: Random) -> Image.Image:
    """Return a page on grey paper, slightly out of focus, with noise and specks."""
    values = np.asarray(image.filter(ImageFilter.GaussianBlur(0.8)), dtype=np.float32)
    generator = np.random.default_rng(random.randint(0, 2**31))
    noise = generator.normal(0, 14, values.shape).astype(np.float32)
    values = values * 0.75 + 45 + noise
    specks = generator.random(values.shape) < 0.0006
    values[specks] = generator.integers(0, 120, int(specks.sum()))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def skewed(image: Image.Image, degrees: float) -> Image.Image:
    """Return a page that was laid askew."""
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)


def jpeg(image: Image.Image, quality: int = 75) -> bytes:
    """Return a page as most scanners send it."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()
