"""What the configuration accepts, and what it says of what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querylake_api.configuration.loading import ConfigurationError, load_configuration
from querylake_api.configuration.problems import did_you_mean, key_path
from querylake_api.persistence.errors import DatabaseError
from querylake_api.persistence.location import asyncpg_url, shown

GOOD = """
[server]
port = 8080

[upstreams.stable]
base_url = "http://gpu1:8001/v1/"
api_key_env = "VLLM_KEY"
runtime_url = "http://gpu1:8002"
timeouts = {first_byte = 30}

[upstreams.candidate]
base_url = "http://gpu1:8011/v1"
api_key_file = "secrets/candidate"

[models."qwen2.5-7b"]
capabilities = ["chat"]
aliases = ["default"]
[[models."qwen2.5-7b".targets]]
upstream = "stable"
model = "Qwen/Qwen2.5-7B-Instruct"
[[models."qwen2.5-7b".targets]]
upstream = "candidate"
model = "Qwen/Qwen2.5-7B-Instruct"
role = "candidate"
"""

MODEL = """
[upstreams.stable]
base_url = "http://gpu1:8001/v1"
[models.m]
capabilities = ["chat"]
targets = [{upstream = "stable", model = "x"}]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "querylake.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load_configuration(written(folder, text))
    assert "pydantic" not in str(raised.value)
    return raised.value.problems


def test_a_full_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_KEY", "upstream-secret")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "candidate").write_text("another-secret\n", encoding="utf-8")
    configuration = load_configuration(written(tmp_path, GOOD))

    upstreams = configuration.upstreams
    assert upstreams["stable"].base_url == "http://gpu1:8001/v1"
    assert upstreams["stable"].api_key == "upstream-secret"
    assert upstreams["stable"].timeouts.first_byte == 30
    assert upstreams["candidate"].api_key == "another-secret"
    model = configuration.settings.models["qwen2.5-7b"]
    assert [target.role for target in model.targets] == ["stable", "candidate"]
    shown_text = repr(configuration) + repr(upstreams)
    assert "upstream-secret" not in shown_text
    assert "another-secret" not in shown_text


def test_the_database_is_embedded_beside_the_file_by_default(tmp_path: Path) -> None:
    configuration = load_configuration(written(tmp_path, ""))
    assert configuration.embedded_folder() == tmp_path / ".querylake" / "postgres"


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUERYLAKE_SERVER__PORT", "9000")
    monkeypatch.setenv("QUERYLAKE_UPSTREAMS__STABLE__TIMEOUTS__IDLE", "7")
    monkeypatch.setenv("QUERYLAKE_DATABASE__URL", "postgresql://me:hidden@db/querylake")
    settings = load_configuration(written(tmp_path, "[server]\nhost = '::1'\n" + MODEL)).settings
    assert (settings.server.host, settings.server.port) == ("::1", 9000)
    assert settings.upstreams["stable"].timeouts.idle == 7
    assert settings.database.url.get_secret_value().endswith("@db/querylake")
    assert "hidden" not in repr(settings)


def test_a_variable_that_names_no_section_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUERYLAKE_SEVER__PORT", "1")
    monkeypatch.setenv("QUERYLAKE_SERVICE_HOST", "invented by a container platform")
    assert problems(tmp_path, "") == [
        "environment variable QUERYLAKE_SEVER__PORT: unknown section 'sever'; "
        "did you mean 'server'?"
    ]


def test_a_wrong_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERYLAKE_SERVER__PORT", "many")
    [problem] = problems(tmp_path, "")
    assert problem.startswith(
        "server.port (from the environment variable QUERYLAKE_SERVER__PORT): should be"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server]\nprt = 1", "server.prt: unknown key; did you mean 'port'?"),
        ("[server]\nport = 70000", "server.port: should be less than or equal to 65535, not 70000"),
        ("[modles.x]", "modles: unknown key; did you mean 'models'?"),
        ("[upstreams.a]", "upstreams.a.base_url: missing; set it"),
        (
            "[upstreams.a]\nbase_url = 'gpu1:8001'",
            "upstreams.a.base_url: must be a URL like http://host:8001/v1",
        ),
        (
            "[upstreams.a]\nbase_url = 'http://me:word@gpu1/v1'",
            "upstreams.a.base_url: must not carry credentials; use api_key_env or api_key_file",
        ),
        *(
            (f"[upstreams.a]\nbase_url = '{url}'", f"upstreams.a.base_url: must {must}")
            for url, must in (
                ("http://h:99999/v1", "have a port from 1 to 65535, or none"),
                ("http://h:abc/v1", "have a port from 1 to 65535, or none"),
                ("http://h:0/v1", "have a port from 1 to 65535, or none"),
                ("http://h o/v1", "hold no blanks, line ends or letters beyond ASCII"),
                ("http://h..x/v1", "name a host of letters, digits, dots and hyphens"),
                ("http://-h/v1", "name a host of letters, digits, dots and hyphens"),
                ("http://[::1/v1", "be a URL like http://host:8001/v1"),
                (
                    "http://h:1/v1/chat/completions",
                    "end before /chat/completions, which is added to it",
                ),
                ("http://h:1/v1/messages/", "end before /messages, which is added to it"),
            )
        ),
        (
            "[server]\ncors_origins = ['http://h/page']",
            "server.cors_origins[0]: must be an origin like http://localhost:5173, without a "
            "path, or *",
        ),
        (
            "[database]\nurl = 'mysql://me:word@host/db'",
            "database.url: must be embedded:FOLDER or postgresql://user@host/database",
        ),
        (
            MODEL.replace('"chat"', '"chat", "vision"'),
            "models.m.capabilities[1]: should be 'chat', 'completions', 'responses', "
            "'messages', 'embeddings' or 'rerank', "
            "not 'vision'",
        ),
        (
            MODEL.replace('"chat"', '"chat", "embeddings"'),
            "models.m.capabilities: chat, completions, responses and messages cannot be mixed "
            "with embeddings and rerank; define two models, each with its own targets",
        ),
        (
            MODEL.replace('upstream = "stable"', 'upstream = "stabel"'),
            "models.m.targets[0].upstream: there is no [upstreams.stabel]; did you mean 'stable'?",
        ),
        (
            MODEL.replace('"x"', '"x", role = "candidate"'),
            'models.m.targets: none has role = "stable", so nothing would answer; add one',
        ),
        (
            MODEL + "aliases = ['m']",
            "models.m.aliases: 'm' is already a name of this model; remove it",
        ),
        (
            MODEL
            + "aliases = ['a']\n"
            + MODEL.split("\n[models.m]")[1].join(["[models.n]", ""])
            + "aliases = ['a', 'm']",
            "models.n.aliases: 'a' is also an alias of 'm'; keep one of them",
        ),
        (
            "[upstreams.a]\nbase_url = 'http://h/v1'\napi_key_env = 'NOT_SET_ANYWHERE'",
            "upstreams.a.api_key_env: the environment variable NOT_SET_ANYWHERE is not set; "
            "export it, or use api_key_file",
        ),
    ],
)
def test_every_fault_is_a_sentence_with_a_fix(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in problems(tmp_path, text)


def test_passwords_are_never_repeated(tmp_path: Path) -> None:
    text = "[database]\nurl = 'mysql://me:password1@host/db'\n"
    text += "[upstreams.a]\nbase_url = 'ftp://me:password1@host'"
    assert "password1" not in "".join(problems(tmp_path, text))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "[server]\nport = -1\nhots = 'x'\n[upstreams.a]")) == 3


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "[server\n")
    assert problem.startswith("not valid TOML: ")
    assert "line 1" in problem


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file; write one"):
        load_configuration(tmp_path / "nowhere.toml")


@given(st.lists(st.one_of(st.text(min_size=1), st.integers(min_value=0)), max_size=4))
def test_any_location_has_a_path(location: list[str | int]) -> None:
    path = key_path(location)
    assert all(str(part) in path for part in location)


@given(st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_hints_are_always_sentences(word: str, known: list[str]) -> None:
    hint = did_you_mean(word, known)
    assert hint == "" or hint.startswith("; ")


def test_libpq_urls_become_asyncpg_urls() -> None:
    url = asyncpg_url("postgresql://me:word@db.example:5433/lake?sslmode=require")
    assert url.drivername == "postgresql+asyncpg"
    assert dict(url.query) == {"ssl": "require"}
    assert shown(url) == "db.example/lake"


def test_url_parameters_that_asyncpg_lacks_are_named() -> None:
    with pytest.raises(DatabaseError, match="not supported: target_session_attrs"):
        asyncpg_url("postgresql://me@db/lake?target_session_attrs=read-write")
