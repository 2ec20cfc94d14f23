"""The configuration of the API: generating it, never touching one that a person has edited."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local_stack.errors import ConfigUnusable, DataDirUnusable
from local_stack.layout import DataDir, shown

RUNTIME_KEY_VARIABLE = "CPU_RUNTIME_API_KEY"
"""Where the engine looks for the key that its clients have to show."""

CHAT_MODEL = "smollm2-135m-instruct"
EMBEDDING_MODEL = "all-minilm-l6-v2"
UPSTREAM = "cpu"
"""The upstream that `up` starts an engine for, if the configuration has it on this machine."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EMBEDDED = "embedded:"
_DIGEST = "# generated, sha256 of what follows: "
_TEMPLATE = """\
# Written by `./querylake up`, and again at every start until somebody edits it: from then on it is
# used as it is. Delete it to have it written again.

[server]
host = "127.0.0.1"
port = {port}
drain_seconds = 2
state_dir = {state}

[database]
url = {database}

[upstreams.cpu]
base_url = {base_url}
api_key_file = {runtime_key}

[models.{chat_model}]
capabilities = ["chat", "completions", "responses", "messages"]
aliases = ["default"]
targets = [{{ upstream = "cpu", model = {chat_model} }}]

[models."{embedding_model}"]
capabilities = ["embeddings", "rerank"]
targets = [{{ upstream = "cpu", model = "{embedding_model}" }}]
"""


@dataclass(frozen=True, slots=True)
class StackConfig:
    """What `up` has to know of a configuration.

    Attributes:
        runtime_port: where the engine has to listen, or None if none is to be started here.
        postgres: the folder of the embedded database, or None if another one is used.
        chat_model: a name that answers chats, or None.
        engine_model: what the CPU engine has to call the model that chats, or None if it has none.
    """

    path: Path
    host: str
    port: int
    runtime_port: int | None
    postgres: Path | None
    chat_model: str | None
    engine_model: str | None

    @property
    def url(self) -> str:
        """Where the API answers, for programs on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def is_edited(path: Path) -> bool:
    """Return whether a file is somebody's own: there, and not as it was generated."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError):
        return True
    first, _, rest = text.partition("\n")
    return first != _DIGEST + _digest(rest)


def generate(data: DataDir, *, port: int, runtime_port: int, chat_model: str = CHAT_MODEL) -> None:
    """Write the configuration of the stack that needs nothing but this machine.

    Args:
        chat_model: the name of the model that chats, for clients and for the engine.

    Raises:
        DataDirUnusable: the file cannot be written.
    """
    text = _TEMPLATE.format(
        port=port,
        state=_quoted(str(data.state)),
        database=_quoted(_EMBEDDED + str(data.postgres)),
        base_url=_quoted(f"http://127.0.0.1:{runtime_port}/v1"),
        runtime_key=_quoted(str(data.runtime_key)),
        chat_model=_quoted(chat_model),
        embedding_model=EMBEDDING_MODEL,
    )
    temporary = data.config.with_suffix(".new")
    try:
        temporary.write_text(f"{_DIGEST}{_digest(text)}\n{text}", encoding="utf-8")
        temporary.replace(data.config)
    except OSError as error:
        raise DataDirUnusable(f"{shown(data.config)} cannot be written: {error.strerror}") from None


def read(path: Path, port: int | None = None) -> StackConfig:
    """Return what a configuration says. Only the API checks all of it.

    Args:
        port: overrides the file's.

    Raises:
        ConfigUnusable: it cannot be read, or a part that is needed here has the wrong form.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        server = document.get("server", {})
        return StackConfig(
            path=path,
            host=str(server.get("host", "127.0.0.1")),
            port=int(server.get("port", 8000)) if port is None else port,
            runtime_port=_runtime_port(document),
            postgres=_postgres(document, path.resolve().parent),
            chat_model=_chat_model(document),
            engine_model=_engine_model(document),
        )
    except FileNotFoundError:
        raise ConfigUnusable(f"{shown(path)} does not exist") from None
    except OSError as error:
        raise ConfigUnusable(f"{shown(path)} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigUnusable(f"{shown(path)} is not valid TOML: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigUnusable(
            f"{shown(path)} is not a configuration of QueryLake: {error}"
        ) from None


def _runtime_port(document: dict[str, Any]) -> int | None:
    upstream = document.get("upstreams", {}).get(UPSTREAM)
    if upstream is None:
        return None
    address = urlsplit(upstream["base_url"])
    return address.port if address.hostname in _LOOPBACK else None


def _postgres(document: dict[str, Any], folder: Path) -> Path | None:
    url: str = document.get("database", {}).get("url", _EMBEDDED + ".querylake/postgres")
    if not url.startswith(_EMBEDDED):
        return None
    return folder / Path(url.removeprefix(_EMBEDDED)).expanduser()


def _chat_model(document: dict[str, Any]) -> str | None:
    for name, model in document.get("models", {}).items():
        if "chat" in model.get("capabilities", []):
            return "default" if "default" in model.get("aliases", []) else str(name)
    return None


def _engine_model(document: dict[str, Any]) -> str | None:
    for model in document.get("models", {}).values():
        if "chat" in model.get("capabilities", []):
            for target in model.get("targets", []):
                if target.get("upstream") == UPSTREAM:
                    return str(target["model"])
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _quoted(text: str) -> str:
    """Return a TOML string. JSON escapes a subset of what TOML's basic strings escape."""
    return json.dumps(text, ensure_ascii=False)
