"""Reading the configuration, and refusing it with every fault named at once."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsError,
    TomlConfigSettingsSource,
)

from llm_provider.config import Timeouts, UpstreamConfig
from querylake_api.configuration.checks import cross_check
from querylake_api.configuration.corpus_key import CorpusKeyUnusable, corpus_key
from querylake_api.configuration.problems import explain, unknown_variables
from querylake_api.errors import EX_CONFIG, OperatorError
from querylake_api.settings import (
    EMBEDDED_SCHEME,
    OCR_UPSTREAM,
    OcrSettings,
    Settings,
    UpstreamSettings,
)


class ConfigurationError(OperatorError):
    """The configuration cannot be used.

    Attributes:
        problems: one sentence each.
    """

    exit_code = EX_CONFIG

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__("\n".join(f"{path}: {problem}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings that passed every check, and the file that relative paths start from.

    Attributes:
        upstreams: every upstream, with its own key.
        ocr: the OCR service, with its own key; None if there is none.
        overrides: keys of `[server]` that the command line has set.
        missing_keys: why engines' keys are not known, by the section that names them. Only where
            the configuration was loaded for a command that needs no engine; their upstreams are
            then left out.
    """

    settings: Settings
    path: Path
    upstreams: Mapping[str, UpstreamConfig]
    ocr: UpstreamConfig | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    missing_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A number that tells configurations apart. Passwords and keys are no part of it."""
        text = self.settings.model_dump_json().encode()
        return hashlib.sha256(text).hexdigest()[:16]

    def reread(self) -> Configuration:
        """Return what the file says now.

        Raises:
            ConfigurationError: it is no good any more.
        """
        return load_configuration(self.path).overridden(self.overrides)

    @property
    def folder(self) -> Path:
        """The folder of the configuration file."""
        return self.path.resolve().parent

    def overridden(self, server: Mapping[str, object]) -> Configuration:
        """Return the configuration with keys of `[server]` as the command line has them."""
        changed = self.settings.server.model_copy(update=dict(server))
        settings = self.settings.model_copy(update={"server": changed})
        return replace(self, settings=settings, overrides=server)

    def embedded_folder(self) -> Path | None:
        """Return where the embedded PostgreSQL keeps its data, or None if another one is used."""
        url = self.settings.database.url.get_secret_value()
        if not url.startswith(EMBEDDED_SCHEME):
            return None
        return self.folder / Path(url.removeprefix(EMBEDDED_SCHEME)).expanduser()

    def state_folder(self) -> Path:
        """Return where the processes of this machine keep what they share."""
        return self.folder / self.settings.server.state_dir.expanduser()


def load_configuration(path: Path, *, for_engines: bool = True) -> Configuration:
    """Read a TOML file and the `QUERYLAKE_*` environment, and check them.

    Args:
        for_engines: whether engines will be called. Other commands are run in shells that have not
            their keys, and need none.

    Raises:
        ConfigurationError: with every problem that could be found at once.
    """
    if not path.is_file():
        raise ConfigurationError(
            path, ["no such file; write one, or name another with --config or QUERYLAKE_CONFIG"]
        )
    problems = unknown_variables(os.environ)
    try:
        settings = _settings_class(path)()
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(path, [f"not valid TOML: {error}"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(path, [f"cannot be read: {error}"]) from None
    except SettingsError as error:
        raise ConfigurationError(path, [*problems, f"environment: {error}"]) from None
    except ValidationError as error:
        raise ConfigurationError(path, problems + explain(error, os.environ)) from None
    problems += cross_check(settings)
    if problems:
        raise ConfigurationError(path, problems)
    upstreams, ocr, missing = _with_keys(settings, path)
    if missing and for_engines:
        raise ConfigurationError(
            path, [f"{section}.{reason}" for section, reason in missing.items()]
        )
    # A plain `Settings` can go to another process, one of a class that was made here cannot.
    return Configuration(
        Settings.model_construct(**dict(settings)), path, upstreams, ocr, {}, missing
    )


def _settings_class(path: Path) -> type[Settings]:
    """Return `Settings` bound to a file: pydantic-settings takes its sources from the class."""

    class SettingsFromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    return SettingsFromFile


def _with_keys(
    settings: Settings, path: Path
) -> tuple[dict[str, UpstreamConfig], UpstreamConfig | None, dict[str, str]]:
    """Return every upstream and the OCR service with their keys, and why a key is missing."""
    missing: dict[str, str] = {}
    folder = path.resolve().parent
    upstreams: dict[str, UpstreamConfig] = {}
    ocr: UpstreamConfig | None = None
    for name, upstream in settings.upstreams.items():
        try:
            key = _own_key(upstream, folder)
        except ValueError as error:
            missing[f"upstreams.{name}"] = str(error)
            continue
        config = _config(name, upstream, key, upstream.max_connections)
        upstreams[name] = replace(config, max_response_bytes=upstream.max_response_bytes)
    if settings.ocr is not None:
        try:
            ocr = _config(OCR_UPSTREAM, settings.ocr, _own_key(settings.ocr, folder), 0)
        except ValueError as error:
            missing["ocr"] = str(error)
    corpus = settings.parity.corpus
    if corpus is not None:
        try:
            corpus_key(corpus.key_env, os.environ)
        except CorpusKeyUnusable as error:
            missing["parity.corpus"] = f"key_env: {error}"
    return upstreams, ocr, missing


def _config(
    name: str, section: UpstreamSettings | OcrSettings, key: str | None, max_connections: int
) -> UpstreamConfig:
    return UpstreamConfig(
        name=name,
        base_url=section.base_url,
        api_key=key,
        timeouts=Timeouts(
            connect=section.timeouts.connect,
            first_byte=section.timeouts.first_byte,
            idle=section.timeouts.idle,
            total=section.timeouts.total,
        ),
        max_connections=max_connections,
    )


def _own_key(section: UpstreamSettings | OcrSettings, folder: Path) -> str | None:
    if section.api_key_env is not None:
        key = os.environ.get(section.api_key_env, "").strip()
        if not key:
            raise ValueError(
                f"api_key_env: the environment variable {section.api_key_env} is not set; "
                "export it, or use api_key_file"
            )
        return _printable(key, "api_key_env")
    if section.api_key_file is not None:
        file = folder / section.api_key_file.expanduser()
        try:
            key = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise ValueError(f"api_key_file: {file} cannot be read: {reason}") from None
        if not key:
            raise ValueError(f"api_key_file: {file} is empty; put its own key in it")
        return _printable(key, "api_key_file")
    return None


def _printable(key: str, option: str) -> str:
    """Return a key that can travel in a header. The message must not show it."""
    if not key.isascii() or not key.isprintable():
        raise ValueError(f"{option}: the key holds characters that no HTTP header can carry")
    return key
