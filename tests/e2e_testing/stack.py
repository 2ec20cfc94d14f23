"""An engine and the API in front of it, as the documentation says to start them."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import openai

from e2e_testing.programs import Program, pex, run, running, wait_until_ready
from loopback_testing.ports import free_port

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
capabilities = {capabilities}
aliases = ["default"]
targets = [{targets}]

[models."all-minilm-l6-v2"]
capabilities = ["embeddings", "rerank"]
targets = [{{ upstream = "cpu", model = "all-minilm-l6-v2" }}]
"""

_WHOLE = """
[ocr]
base_url = "{ocr_url}/v1"
api_key_env = "OCR_API_KEY"

[rollouts]
gates_command = {gates_command}
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


def _keys(runtime_key: str) -> dict[str, str]:
    """Return the environment with the services' keys, which are one and the same here."""
    return {"CPU_RUNTIME_API_KEY": runtime_key, "OCR_API_KEY": runtime_key}


def _new_key(folder: Path, runtime_key: str, *scopes: str) -> str:
    created = run(
        *("querylake_api.pex", "keys", "create", "--name", "e2e", "--json"),
        *("--config", str(folder / "querylake.toml")),
        *(part for scope in scopes for part in ("--scope", scope)),
        cwd=folder,
        **_keys(runtime_key),
    )
    assert created.returncode == 0, created.stderr
    key: str = json.loads(created.stdout)["key"]
    return key


@dataclass(frozen=True)
class Engine:
    """An engine that runs already.

    Attributes:
        url: without `/v1`.
        model: its name there.
        capabilities: of the model.
    """

    url: str
    model: str
    capabilities: tuple[str, ...] = ("chat", "completions", "responses", "messages")


@contextmanager
def running_stack(
    folder: Path, engine: Engine | None = None, *, whole: bool = False
) -> Iterator[Stack]:
    """Start the CPU engine and the API, and create a key, as the documentation says.

    Args:
        folder: for everything that is written.
        engine: one in the CPU engine's place for the model `default`.
        whole: also start the OCR service, make the CPU engine the candidate of the model that
            chats, and let promotions ask the gates, whose workspace is the folder.
    """
    runtime_key = secrets.token_urlsafe()
    runtime_port, port, ocr_port = free_port(), free_port(), free_port()
    runtime_url = f"http://127.0.0.1:{runtime_port}"
    config = folder / "querylake.toml"
    engine = engine or Engine(runtime_url, CHAT_MODEL)
    stable = f'{{ upstream = "chat", model = "{engine.model}" }}'
    candidate = f'{{ upstream = "cpu", model = "{CHAT_MODEL}", role = "candidate" }}'
    text = _CONFIG.format(
        runtime_url=runtime_url,
        port=port,
        chat_url=engine.url,
        capabilities=json.dumps(engine.capabilities),
        targets=f"{stable}, {candidate}" if whole else stable,
    )
    if whole:
        gates = [sys.executable, str(pex("upgrade_gates.pex")), "evidence", "fresh"]
        text += _WHOLE.format(
            ocr_url=f"http://127.0.0.1:{ocr_port}",
            gates_command=json.dumps([*gates, "--for", "promotion"]),
        )
    config.write_text(text)
    keys = _keys(runtime_key)
    with (
        running(
            *("cpu_runtime.pex", "serve", "--port", str(runtime_port), "--threads", "1"),
            cwd=folder,
            **keys,
        ) as runtime,
        _ocr(folder, ocr_port, keys) if whole else nullcontext(),
    ):
        runtime.until("cpu_runtime ready on ")
        with running(
            "querylake_api.pex", "serve", "--config", str(config), cwd=folder, **keys
        ) as api:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(f"{url}/readyz")
            key = _new_key(folder, runtime_key, "inference")
            yield Stack(url, key, runtime_url, runtime_key, engine.url, folder)
            assert api.stop() == 0, "".join(api.output)
        assert runtime.stop() == 0, "".join(runtime.output)


@contextmanager
def _ocr(folder: Path, port: int, keys: dict[str, str]) -> Iterator[Program]:
    """Run the OCR service until the block ends."""
    arguments = ("serve", "--port", str(port), "--data", str(folder / "ocr"), "--workers", "1")
    with running("ocr.pex", *arguments, cwd=folder, **keys) as service:
        service.until("ocr ready on ")
        yield service
        assert service.stop() == 0, "".join(service.output)
