"""An engine and the API in front of it, as the documentation says to start them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai

from e2e_testing.programs import free_port, run, running, wait_until_ready

CHAT_MODEL = "smollm2-135m-instruct"
EMBEDDING_MODEL = "all-minilm-l6-v2"

_CONFIG = """\
[server]
port = {port}

[database]
url = "embedded:postgres"

[upstreams.cpu]
base_url = "{runtime_url}/v1"
api_key_env = "CPU_RUNTIME_API_KEY"

[upstreams.chat]
base_url = "{chat_url}/v1"
api_key_env = "CPU_RUNTIME_API_KEY"

[models."smollm2-135m-instruct"]
capabilities = ["chat", "completions"]
aliases = ["default"]
targets = [{{ upstream = "chat", model = "{chat_model}" }}]

[models."all-minilm-l6-v2"]
capabilities = ["embeddings", "rerank"]
targets = [{{ upstream = "cpu", model = "all-minilm-l6-v2" }}]
"""


@dataclass(frozen=True)
class Stack:
    """An engine and the API in front of it.

    Attributes:
        runtime_key: the engine's own key, which no client knows.
        chat_url: of the engine that chats; the same one unless the test has brought another.
    """

    url: str
    key: str
    runtime_url: str
    runtime_key: str
    chat_url: str
    folder: Path

    def key_for_everything(self) -> str:
        """Create a key that opens every route."""
        return _new_key(self.folder, self.runtime_key, "inference", "admin")

    def client(self, key: str | None = None) -> openai.OpenAI:
        """Return the official client."""
        return openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=key or self.key, max_retries=0, timeout=60
        )


def _new_key(folder: Path, runtime_key: str, *scopes: str) -> str:
    created = run(
        *("querylake_api.pex", "keys", "create", "--name", "e2e", "--json"),
        *("--config", str(folder / "querylake.toml")),
        *(part for scope in scopes for part in ("--scope", scope)),
        cwd=folder,
        CPU_RUNTIME_API_KEY=runtime_key,
    )
    assert created.returncode == 0, created.stderr
    key: str = json.loads(created.stdout)["key"]
    return key


@dataclass(frozen=True)
class ChatEngine:
    """An engine that runs already.

    Attributes:
        url: without `/v1`.
        model: its name there.
    """

    url: str
    model: str


@contextmanager
def running_stack(folder: Path, chat: ChatEngine | None = None) -> Iterator[Stack]:
    """Start the CPU engine and the API, and create a key, as the documentation says.

    Args:
        folder: for everything that is written.
        chat: an engine that chats in the CPU engine's place.
    """
    runtime_key = secrets.token_urlsafe()
    runtime_port, port = free_port(), free_port()
    runtime_url = f"http://127.0.0.1:{runtime_port}"
    config = folder / "querylake.toml"
    chat = chat or ChatEngine(runtime_url, CHAT_MODEL)
    config.write_text(
        _CONFIG.format(runtime_url=runtime_url, port=port, chat_url=chat.url, chat_model=chat.model)
    )
    with running(
        *("cpu_runtime.pex", "serve", "--port", str(runtime_port), "--threads", "1"),
        cwd=folder,
        CPU_RUNTIME_API_KEY=runtime_key,
    ) as runtime:
        runtime.until("cpu_runtime ready on ")
        with running(
            *("querylake_api.pex", "serve", "--config", str(config)),
            cwd=folder,
            CPU_RUNTIME_API_KEY=runtime_key,
        ) as api:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(f"{url}/readyz")
            key = _new_key(folder, runtime_key, "inference")
            yield Stack(url, key, runtime_url, runtime_key, chat.url, folder)
            assert api.stop() == 0, "".join(api.output)
        assert runtime.stop() == 0, "".join(runtime.output)
