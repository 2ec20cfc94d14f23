"""The command line: what it prints, and how it ends."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from querylake_api_testing.commands import Run
from querylake_api_testing.databases import TestPostgres
from querylake_version import VERSION


def test_the_version(run: Run) -> None:
    assert run("--version") == (0, VERSION + "\n", "")


def test_a_good_configuration(run: Run, config_file: Path) -> None:
    code, out, err = run("check-config", "--config", str(config_file))
    assert (code, err) == (0, "")
    assert f"{config_file}: good." in out
    assert "model org/chatty: chat, completions from engine (stable), away (candidate)" in out


def test_a_bad_configuration(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[server]\nprt = 1\n", encoding="utf-8")
    assert run("check-config", "-c", str(path)) == (
        78,
        "",
        f"querylake_api.pex: {path}: server.prt: unknown key; did you mean 'port'?\n",
    )


def test_the_configuration_may_be_named_by_a_variable(
    run: Run, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUERYLAKE_CONFIG", str(config_file))
    assert run("check-config")[0] == 0


def test_commands_that_need_no_engine_need_no_key_of_one(
    run: Run, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_ENGINE_KEY")
    config = ("--config", str(config_file))
    for command in (
        ("keys", "create", "--name", "n", "--scope", "admin"),
        ("keys", "list"),
        ("usage", "totals"),
        ("migrate",),
    ):
        code, _, err = run(*command, *config)
        assert (code, err) == (0, "")
    _, out, _ = run("doctor", *config, "--json")
    found = {finding["subject"]: finding for finding in json.loads(out)}
    missing = found["key of upstreams.engine"]
    assert missing["verdict"] == "unknown"
    assert "TEST_ENGINE_KEY is not set" in missing["detail"]
    assert found["tables"]["verdict"] == "good", "what can be looked at is looked at"
    assert "upstream engine" not in found
    assert "upstream away" in found
    code, _, err = run("check-config", *config)
    assert code == 78
    assert "upstreams.engine.api_key_env: the environment variable TEST_ENGINE_KEY" in err


def test_keys_are_created_listed_and_revoked(run: Run, config_file: Path) -> None:
    config = ("--config", str(config_file))
    code, out, _ = run("keys", "create", *config, "--name", "team", "--expires-in-days", "30")
    assert code == 0
    [secret] = re.findall(r"^sk-[0-9A-Za-z]{48}$", out, re.MULTILINE)

    scopes = ("--scope", "inference", "--scope", "admin", "--model", "default")
    _, out, _ = run("keys", "create", *config, "--name", "second", "--json", *scopes)
    created = json.loads(out)
    assert created["scopes"] == ["admin", "inference"]
    assert created["models"] == ["org/chatty"]
    assert re.fullmatch(r"sk-[0-9A-Za-z]{48}", created["key"])

    _, out, _ = run("keys", "list", *config)
    assert created["id"] in out
    assert "sk-..." + secret[-4:] in out
    assert secret not in out

    code, out, _ = run("keys", "revoke", *config, created["id"])
    assert code == 0
    assert created["id"] in out
    _, out, _ = run("keys", "list", *config, "--json")
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["team"]
    _, out, _ = run("keys", "list", *config, "--include-revoked", "--json")
    assert len(out.splitlines()) == 2


def test_keys_are_shown_and_changed(run: Run, config_file: Path) -> None:
    config = ("--config", str(config_file))
    options = ("--name", "team", "--requests-per-minute", "60", "--concurrency", "unlimited")
    code, out, _ = run("keys", "create", *config, *options)
    assert code == 0
    assert "inference, all models, limits 60/min, unlimited at once, for ever" in out
    key_id = out.split()[1]

    code, out, _ = run("keys", "show", *config, key_id)
    assert code == 0
    assert re.search(r"requests per minute +60", out)
    assert re.search(r"tokens per minute +default", out)
    assert re.search(r"concurrency +unlimited", out)

    changes = ("--requests-per-minute", "default", "--tokens-per-minute", "5000")
    more = ("--model", "default", "--expires-in-days", "1", "--name", "renamed")
    code, out, _ = run("keys", "update", *config, key_id, *changes, *more)
    assert code == 0
    assert "'renamed'" in out
    assert "org/chatty, limits 5000 tokens/min, unlimited at once, until" in out
    _, out, _ = run("keys", "update", *config, key_id, "--all-models", "--never-expires", "--json")
    key = json.loads(out)
    assert (key["models"], key["expires_at"], key["tokens_per_minute"]) == (None, None, 5000)
    assert (key["requests_per_minute"], key["concurrency"]) == (None, 0)
    assert json.loads(run("keys", "show", *config, key_id, "--json")[1]) == key
    assert "5000 tokens/min, unlimited at once" in run("keys", "list", *config)[1]

    for wrong, said in (
        ((), "nothing to change"),
        (("--all-models", "--model", "default"), "leave out one of them"),
        (("--never-expires", "--expires-in-days", "1"), "leave out one of them"),
        (("--concurrency", "few"), "--concurrency"),
    ):
        code, _, err = run("keys", "update", *config, key_id, *wrong)
        assert code == 2
        assert said in err
    run("keys", "revoke", *config, key_id)
    code, _, err = run("keys", "update", *config, key_id, "--name", "x")
    assert code == 69
    assert "is revoked for good and cannot be changed" in err


def test_mistakes_with_keys_are_sentences(run: Run, config_file: Path) -> None:
    config = ("--config", str(config_file))
    code, _, err = run("keys", "revoke", *config, "key_nope")
    assert (code, err) == (
        69,
        "querylake_api.pex: There is no API key with the id 'key_nope'. "
        "List them to see their ids.\n",
    )
    code, _, err = run("keys", "create", *config, "--name", "n", "--model", "nope")
    assert code == 69
    assert "No such model: 'nope'" in err
    code, _, err = run("keys", "create", *config, "--name", "n", "--expires-in-days", "0")
    assert code == 2
    assert "--expires-in-days" in err


def test_migrate_says_where_it_is(run: Run, config_file: Path) -> None:
    code, out, _ = run("migrate", "--config", str(config_file))
    assert code == 0
    assert re.search(r"is at revision \d{4}\.$", out.strip())


def test_a_database_that_is_away(run: Run, tmp_path: Path, postgres: TestPostgres) -> None:
    path = tmp_path / "querylake.toml"
    url = "postgresql://me:hidden@127.0.0.1:1/nowhere"
    path.write_text(f"[database]\nurl = '{url}'\n", encoding="utf-8")
    for command in (("keys", "list"), ("migrate",), ("serve", "--port", "0")):
        code, _, err = run(*command, "--config", str(path))
        assert code == 69
        assert "the database at 127.0.0.1/nowhere cannot be used" in err
        assert "hidden" not in err
        assert "Traceback" not in err


def test_a_port_that_is_taken(run: Run, config_file: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = run("serve", "--config", str(config_file), "--port", str(port))
    assert code == 69
    assert err == (
        f"querylake_api.pex: port {port} on 127.0.0.1 is in use by another program; stop it, or "
        "choose another port with --port or server.port\n"
    )


def test_a_host_that_is_none(run: Run, config_file: Path) -> None:
    code, _, err = run("serve", "--config", str(config_file), "--host", "no such host")
    assert code == 69
    assert "server.host: 'no such host' cannot be resolved" in err


@pytest.mark.parametrize("patience", [0.5])
def test_doctor_ends_with_1_if_something_is_at_fault(run: Run, config_file: Path) -> None:
    code, out, err = run("doctor", "--config", str(config_file))
    assert (code, err) == (1, "")
    assert re.search(r"FAULT +upstream away", out)
    assert "-> start it, or correct base_url" in out


def test_doctor_reads_a_bad_configuration_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[server]\nprt = 1\n", encoding="utf-8")
    code, out, _ = run("doctor", "-c", str(path), "--json")
    assert code == 1
    assert [finding["verdict"] for finding in json.loads(out)] == ["fault"]


def test_a_simulation_needs_no_server(run: Run) -> None:
    options = ("--only", "faulty", "--runs", "1", "--workers", "1")
    code, out, err = run("rollout", "simulate", *options)
    head, rule, *lines = out.splitlines()
    assert (code, err) == (0, "")
    assert head.startswith("| Requests of the candidate: median / 90% | found | by | ")
    assert len(lines) > 10
    assert {line.count("|") for line in (head, rule, *lines)} == {7}
