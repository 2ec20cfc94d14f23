"""The model file that `--chat-model` names: checked before anything is built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gguf_header import GgufUnusable, read_header
from local_stack.errors import ConfigUnusable

_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A GGUF file that can chat.

    Attributes:
        name: what clients call it: the file's name without its ending.
        has_template: whether the file says how a chat becomes a prompt.
    """

    file: Path
    name: str
    has_template: bool


def chat_model(file: Path) -> ChatModel:
    """Look at a model file.

    Raises:
        ConfigUnusable: it is no whole GGUF file, or its model cannot continue a text.
    """
    try:
        header = read_header(file)
    except GgufUnusable as error:
        raise ConfigUnusable(f"--chat-model: {error}") from None
    if not header.causal:
        raise ConfigUnusable(
            f"--chat-model: {file} is an embedding model ({header.architecture}) and cannot chat; "
            "name a model that was made for chats"
        )
    name = _UNUSUAL.sub("-", file.stem).strip("-.") or "chat-model"
    return ChatModel(file.resolve(), name, has_template=header.chat_template is not None)
