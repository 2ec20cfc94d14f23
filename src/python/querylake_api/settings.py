"""What an operator can configure: one TOML file, overridden by `QUERYLAKE_SECTION__KEY` variables.

These are shapes and ranges only. `configuration.loading` reads them from disk and checks them
against each other.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Capability = Literal["chat", "completions", "responses", "messages", "embeddings", "rerank"]
Role = Literal["stable", "candidate"]
Bridge = Literal[
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "reasoning_content",
    "reasoning",
]

GENERATION: frozenset[Capability] = frozenset({"chat", "completions", "responses", "messages"})
RETRIEVAL: frozenset[Capability] = frozenset({"embeddings", "rerank"})

ENV_PREFIX = "QUERYLAKE_"
ENV_DELIMITER = "__"

SERVE_SCHEME = "serve://"
"""An engine's URL with this scheme names a Ray Serve application and its deployment."""

OCR_UPSTREAM = "ocr"
"""The name of the OCR service among the upstreams."""

EMBEDDED_SCHEME = "embedded:"
"""A database URL with this scheme names a folder in which QueryLake runs PostgreSQL itself."""


_HOST = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,62})?(\.[a-z0-9_-]{1,63})*\.?", re.I)

_ENGINE_ROUTES = (
    "/chat/completions",
    "/completions",
    "/responses",
    "/messages",
    "/embeddings",
    "/rerank",
    "/models",
)


def _http_url(value: str) -> str:
    if not value.isascii() or not value.isprintable() or " " in value:
        # `urlsplit` would drop some of it without a word.
        raise ValueError("must hold no blanks, line ends or letters beyond ASCII")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError("must be a URL like http://host:8001/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL like http://host:8001/v1")
    if not _has_port_or_none(parts):
        # Without its value, which may be a password.
        raise ValueError("must have a port from 1 to 65535, or none")
    if ":" not in parts.hostname and not _HOST.fullmatch(parts.hostname):
        raise ValueError("must name a host of letters, digits, dots and hyphens")
    if parts.username or parts.password:
        raise ValueError("must not carry credentials; use api_key_env or api_key_file")
    if parts.query or parts.fragment:
        raise ValueError("must end with its path, without `?` or `#`")
    return value.rstrip("/")


def _has_port_or_none(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _origin(value: str) -> str:
    if value == "*":
        return value
    parts = urlsplit(value)
    if not parts.scheme or not parts.netloc or parts.path or parts.query or parts.fragment:
        raise ValueError("must be an origin like http://localhost:5173, without a path, or *")
    return value


def _engine_url(value: str) -> str:
    if not value.startswith(SERVE_SCHEME):
        url = _http_url(value)
        for route in _ENGINE_ROUTES:
            if url.endswith(route):
                raise ValueError(f"must end before {route}, which is added to it")
        return url
    application, separator, deployment = value.removeprefix(SERVE_SCHEME).partition("/")
    if not application or not separator or not deployment:
        raise ValueError(
            "must name an application and a deployment: serve://application/deployment"
        )
    return value


def _database_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if not url.startswith((EMBEDDED_SCHEME, "postgresql://", "postgres://")):
        raise ValueError("must be embedded:FOLDER or postgresql://user@host/database")
    if url == EMBEDDED_SCHEME:
        raise ValueError("must name a folder after `embedded:`")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Origin = Annotated[str, AfterValidator(_origin)]
EngineUrl = Annotated[str, AfterValidator(_engine_url)]
Seconds = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Section):
    """Where and how the API listens.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 picks a free one.
        drain_seconds: time that requests in flight may take to finish after SIGTERM.
        max_head_bytes: maximum size of the request line and headers; larger ones get 431.
        head_timeout_seconds: time limit for receiving them; slower clients get 408.
        max_body_bytes: maximum size of a request body after decompression; larger ones get 413.
        max_admin_body_bytes: maximum size of a request body for `/admin/*`.
        max_json_values: maximum number of values, names and brackets in a JSON body; more get 413,
            because parsing them would delay all other requests.
        body_timeout_seconds: time limit for receiving a request body; slower clients get 408.
        send_timeout_seconds: a client that reads nothing of its response for so long is
            disconnected.
        max_connections: maximum concurrent client connections per process; without it, what the
            limit of open files allows.
        workers: number of processes that serve the port.
        cors_origins: origins whose web pages may call everything but `/admin`, `/ui`, `/metrics`
            and `/docs`, such as `http://localhost:5173`; `*` for all. Empty: no CORS headers are
            sent.
        stream_keepalive_seconds: a stream without data for so long gets an SSE comment, also before
            its first event. Without it, no comments are sent.
        state_dir: folder for what the processes of this machine share, relative to the
            configuration file.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    drain_seconds: float = Field(default=30.0, ge=0)
    max_head_bytes: int = Field(default=64 * 1024, ge=4096, le=1024 * 1024)
    head_timeout_seconds: Seconds = 30.0
    max_body_bytes: int = Field(default=20 * 1024 * 1024, ge=1024)
    max_admin_body_bytes: int = Field(default=256 * 1024, ge=1024, le=1024 * 1024)
    max_json_values: int = Field(default=150_000, ge=1000)
    body_timeout_seconds: Seconds = 60.0
    send_timeout_seconds: Seconds = 60.0
    max_connections: int | None = Field(default=None, ge=1)
    workers: int = Field(default=1, ge=1, le=64)
    cors_origins: list[Origin] = []
    stream_keepalive_seconds: Seconds | None = None
    state_dir: Path = Path(".querylake/state")


class DatabaseSettings(_Section):
    """PostgreSQL, which keeps keys, usage and rollouts.

    Attributes:
        url: `embedded:FOLDER` for a PostgreSQL that QueryLake runs itself, or
            `postgresql://user@host/database`. It may hold a password, so it is never shown.
    """

    url: Annotated[SecretStr, AfterValidator(_database_url)] = SecretStr(
        "embedded:.querylake/postgres"
    )


class LimitsSettings(_Section):
    """Limits of keys that have none of their own; 0 means no limit.

    Attributes:
        requests_per_minute: requests per minute and key.
        tokens_per_minute: prompt and completion tokens per minute and key.
        concurrency: concurrent requests per key.
    """

    requests_per_minute: int = Field(default=0, ge=0)
    tokens_per_minute: int = Field(default=0, ge=0)
    concurrency: int = Field(default=0, ge=0)


class UsageSettings(_Section):
    """The ledger of requests.

    Attributes:
        max_spool_bytes: maximum size of each worker's records on disk while the database is
            unavailable. Beyond it, records are lost, and the log and the metrics report it. A
            record takes about 800 bytes.
    """

    max_spool_bytes: int = Field(default=1024**3, ge=1024**2)


class TracingSettings(_Section):
    """Traces for OpenTelemetry.

    Attributes:
        endpoint: URL of an OTLP/HTTP collector, without `/v1/traces`. Without it, no traces.
        service_name: name of this service in traces.
        sample_ratio: fraction of requests that are traced, if the caller has not decided it.
    """

    endpoint: HttpUrl | None = None
    service_name: Name = "querylake"
    sample_ratio: float = Field(default=1.0, ge=0, le=1)


class TimeoutSettings(_Section):
    """The four deadlines of a call to an engine, in seconds; see `llm_provider.config.Timeouts`.

    Attributes:
        connect: time limit for opening a connection.
        first_byte: time limit for the first byte of the response.
        idle: maximum pause between two chunks of the response.
        total: time limit for the whole response; without it, none.
    """

    connect: Seconds = 5.0
    first_byte: Seconds = 300.0
    idle: Seconds = 60.0
    total: Seconds | None = None


class UpstreamSettings(_Section):
    """One engine endpoint.

    Attributes:
        base_url: up to and including `/v1`; or `serve://application/deployment` for a deployment
            of the Ray Serve cluster that `RAY_ADDRESS` names.
        api_key_env: environment variable that holds the engine's own key.
        api_key_file: file that holds it, relative to the configuration file.
        timeouts: deadlines of every call.
        max_connections: maximum open connections; 0 means no limit.
        max_response_bytes: maximum size of a response that is not streamed; larger ones get 502.
        runtime_url: base URL of the engine's supervisor, which serves `/runtime/status`.
        active_health: whether the engine is probed even when it has no requests.
        stall_seconds: as `health.stall_seconds`, for this engine.
        stream_usage: whether the engine is asked to count the tokens of every stream
            (`stream_options.include_usage`). Off for engines that refuse the option: their streams
            are then recorded without tokens unless the client asks.
    """

    base_url: EngineUrl
    api_key_env: Name | None = None
    api_key_file: Path | None = None
    timeouts: TimeoutSettings = TimeoutSettings()
    max_connections: int = Field(default=0, ge=0)
    max_response_bytes: int = Field(default=128 * 1024 * 1024, ge=1024)
    runtime_url: HttpUrl | None = None
    stream_usage: bool = True
    active_health: bool = True
    stall_seconds: Seconds | None = None


class OcrTimeoutSettings(TimeoutSettings):
    """The same for calls to the OCR service, whose answers begin when a conversion is done."""

    first_byte: Seconds = 600.0


class OcrSettings(_Section):
    """The OCR service behind `/v1/ocr`.

    Attributes:
        base_url: up to and including `/v1`.
        api_key_env: environment variable that holds the service's own key.
        api_key_file: file that holds it, relative to the configuration file.
        timeouts: deadlines of every call.
        max_body_bytes: maximum size of an upload; larger ones get 413. The service has a limit of
            its own.
    """

    base_url: HttpUrl
    api_key_env: Name | None = None
    api_key_file: Path | None = None
    timeouts: OcrTimeoutSettings = OcrTimeoutSettings()
    max_body_bytes: int = Field(default=257 * 1024 * 1024, ge=1024)


class HealthSettings(_Section):
    """Health probes of engines; see `upstreams.judge.HealthPolicy`.

    Attributes:
        interval_seconds: time between two probes of a healthy engine; a quarter of it otherwise.
        timeout_seconds: time limit of a probe.
        failures: consecutive failed probes that take an engine out of rotation.
        successes: consecutive successful probes that put it back.
        stall_seconds: seconds with running requests and no generated token, after which an engine
            counts as stalled.
    """

    interval_seconds: Seconds = 2.0
    timeout_seconds: Seconds = 2.0
    failures: int = Field(default=3, ge=1)
    successes: int = Field(default=1, ge=1)
    stall_seconds: Seconds = 60.0


class BreakerSettings(_Section):
    """Circuit breaker of each engine; see `llm_provider.breaker.BreakerPolicy`.

    Attributes:
        failures: consecutive failures that open the breaker.
        open_seconds: how long it stays open the first time; doubled each time.
        max_open_seconds: upper limit of that.
    """

    failures: int = Field(default=5, ge=1)
    open_seconds: Seconds = 1.0
    max_open_seconds: Seconds = 30.0


class RetrySettings(_Section):
    """Retries of failed requests.

    Attributes:
        max_attempts: maximum attempts per request, the first one included.
        ratio: retries per request to a model, on average.
        reserve: retries that a model has in addition, for short bursts.
    """

    max_attempts: int = Field(default=3, ge=1)
    ratio: float = Field(default=0.2, ge=0, le=1)
    reserve: float = Field(default=10.0, ge=0)


class TargetSettings(_Section):
    """A place where a model is served: an upstream, and the model's name there.

    Attributes:
        upstream: name of the upstream, as in `[upstreams.NAME]`.
        model: name of the model on that engine.
        role: `stable` targets share the traffic; a `candidate` gets none until a rollout.
    """

    upstream: Name
    model: Name
    role: Role = "stable"


class ModelSettings(_Section):
    """A model as clients know it.

    Attributes:
        capabilities: endpoints that serve the model.
        aliases: other names that clients may use for it.
        targets: stable ones share the traffic; candidates get none until a rollout gives it.
        balancing: how several replicas share requests for generated text. `prefix` sends the turns
            of a conversation to the same replica, whose prefix cache knows it, while its load is
            within 1.3 times the mean; `least_outstanding` sends each request to the replica with
            the fewest requests under way, as embeddings and reranking always are.
        max_concurrency: maximum concurrent requests to the stable targets, and as many again to the
            candidates, per worker process. Others wait in a queue. Without it, no limit.
        max_queue: maximum length of the queue; further requests get 429.
        queue_timeout_seconds: maximum time in the queue; then the request gets 503.
        deadline_seconds: time limit from the end of the request until there is something to send,
            the queue and all attempts included; then it gets 504. Without it, only the deadlines
            of the upstreams apply.
        bridges: renamed fields that clients may go on sending and reading by their former names.
    """

    capabilities: list[Capability] = Field(min_length=1)
    aliases: list[Name] = []
    targets: list[TargetSettings] = Field(min_length=1)
    balancing: Literal["prefix", "least_outstanding"] = "prefix"
    max_concurrency: int | None = Field(default=None, ge=1)
    max_queue: int = Field(default=100, ge=0)
    queue_timeout_seconds: Seconds = 30.0
    deadline_seconds: Seconds | None = None
    bridges: list[Bridge] = []


class RolloutSettings(_Section):
    """What rollouts need beyond their plans.

    Attributes:
        gates_command: program with arguments that prints JSON with `"holds": true` and exits with 0
            when the upgrade gates hold. It runs in the folder of the configuration file. Without
            it, a promotion needs the override of a named person.
        webhook_secret_env: environment variable whose value signs webhooks.
    """

    gates_command: list[str] = []
    webhook_secret_env: Name | None = None


class CorpusSettings(_Section):
    """Requests that are recorded for comparisons of engines, encrypted, of those who agreed.

    Attributes:
        key_env: environment variable with the encryption key: 32 bytes in base64.
        keys: ids of API keys whose requests may be recorded.
        models: models whose requests may be recorded, whoever sends them.
        share: fraction of these requests that is recorded.
        max_bytes: maximum size of all recorded requests; the oldest are deleted first.
        max_days: days after which a recorded request is deleted.
        max_body_bytes: larger requests are not recorded.
    """

    key_env: Name = "QUERYLAKE_CORPUS_KEY"
    keys: frozenset[Name] = frozenset()
    models: frozenset[Name] = frozenset()
    share: float = Field(default=0.01, gt=0, le=1)
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    max_days: float = Field(default=14.0, gt=0, le=365)
    max_body_bytes: int = Field(default=256 * 1024, ge=1024)


class ParitySettings(_Section):
    """Answer parity; see `parity`.

    Attributes:
        corpus: what is recorded; None for nothing.
    """

    corpus: CorpusSettings | None = None


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    limits: LimitsSettings = LimitsSettings()
    health: HealthSettings = HealthSettings()
    breaker: BreakerSettings = BreakerSettings()
    retry: RetrySettings = RetrySettings()
    rollouts: RolloutSettings = RolloutSettings()
    usage: UsageSettings = UsageSettings()
    tracing: TracingSettings = TracingSettings()
    parity: ParitySettings = ParitySettings()
    ocr: OcrSettings | None = None
    upstreams: dict[Name, UpstreamSettings] = {}
    models: dict[Name, ModelSettings] = {}
