"""Taking over keys that exist elsewhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querylake_api.keys.errors import ImportRefused
from querylake_api.keys.importing import read_keys
from querylake_api.keys.secret import generate_key
from querylake_api_testing.commands import Run

HEADER = "key,name,expires_at,scopes,models,requests_per_minute,tokens_per_minute,concurrency\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "keys.csv"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ImportRefused) as raised:
        read_keys(written(folder, text))
    return list(raised.value.problems)


def test_import(run: Run, config_file: Path, tmp_path: Path) -> None:
    config = ("--config", str(config_file))
    plain, hashed = generate_key(), generate_key()
    digest = hashlib.sha256(hashed.encode()).hexdigest()
    file = written(
        tmp_path,
        HEADER
        + f"{plain},team one,,,,,,\n"
        + f'{digest.upper()},"two, of us",2031-01-31,inference;admin,default;embedder,60,0,4\n',
    )
    code, out, err = run("keys", "import", *config, str(file), "--dry-run")
    assert (code, out, err) == (0, "Would import 2 keys.\n", "")
    assert run("keys", "list", *config, "--json")[1] == ""

    code, out, err = run("keys", "import", *config, str(file))
    assert (code, out, err) == (0, "Imported 2 keys.\n", "")
    code, out, err = run("keys", "import", *config, str(file))
    assert (code, err) == (0, "")
    assert out == "Imported 0 keys.\n2 were here already and stay as they are: lines 2, 3.\n"

    _, out, _ = run("keys", "list", *config, "--json")
    keys = {key["name"]: key for key in map(json.loads, out.splitlines())}
    assert keys["team one"]["hint"] == "sk-..." + plain[-4:]
    assert (keys["team one"]["scopes"], keys["team one"]["models"]) == (["inference"], None)
    assert keys["team one"]["requests_per_minute"] is None
    two = keys["two, of us"]
    assert two["hint"] == f"sha256:{digest[:8]}..."
    assert (two["scopes"], two["models"]) == (["admin", "inference"], ["embedder", "org/chatty"])
    assert two["expires_at"] == "2031-01-31T00:00:00Z"
    limits = (two["requests_per_minute"], two["tokens_per_minute"], two["concurrency"])
    assert limits == (60, 0, 4)
    assert plain not in out
    assert hashed not in out


def test_a_file_with_faults_changes_nothing(run: Run, config_file: Path, tmp_path: Path) -> None:
    config = ("--config", str(config_file))
    good, other = generate_key(), generate_key()
    file = written(tmp_path, f"key,name,models\n{good},a,default\n{other},b,nope\n")
    code, out, err = run("keys", "import", *config, str(file))
    assert (code, out) == (65, "")
    assert "nothing was imported" in err
    assert "line 3: models: No such model: 'nope'." in err
    assert good not in err
    assert run("keys", "list", *config, "--json")[1] == ""


def test_every_fault_is_told_with_its_line_and_no_key(tmp_path: Path) -> None:
    key, other = generate_key(), generate_key()
    text = HEADER + "".join(
        f"{line}\n"
        for line in (
            f"{key},good,,,,,,",
            f"{key},again,,,,,,",
            f"{key[3:]},no prefix,,,,,,",
            "0123abcd,short hash,,,,,,",
            f"{other},,tomorrow,,,,,",
            f"{other},n,tomorrow,,,,,",
            f"{other},n,,root,,,,",
            f"{other},n,,,,many,-1,",
            f"{other},n,,,,,,,too many",
            f"{other},{other},,,,,,",
            f",{other},,,,,,",
        )
    )
    told = problems(tmp_path, text)
    for beginning in (
        "line 3: key: the same as on line 2",
        "line 4: key: must be a key, `sk-...`, or the SHA-256 of one as 64 hex digits",
        "line 5: key: must be a key",
        "line 6: name: should have at least 1 character",
        "line 7: expires_at: must be like 2027-01-31",
        "line 8: scopes: should be 'inference' or 'admin'",
        "line 9: requests_per_minute: should be a valid integer",
        "line 9: tokens_per_minute: should be greater than or equal to 0",
        "line 10: more cells than columns",
        "line 11: name: is a key, and names are shown to others",
        "line 12: key: must be a key",
    ):
        assert [line for line in told if line.startswith(beginning)], (beginning, told)
    assert len(told) == 11
    assert key[3:] not in "".join(told)
    assert other not in "".join(told)


def test_columns_are_checked_first(tmp_path: Path) -> None:
    key = generate_key()
    assert problems(tmp_path, f"{key},me\n") == [
        "line 1: there is no column `key`",
        "line 1: there is no column `name`",
        *(
            f"line 1: column {number} has none of these names: key, name, expires_at, scopes, "
            "models, requests_per_minute, tokens_per_minute, concurrency"
            for number in (1, 2)
        ),
    ]
    assert problems(tmp_path, "") != []
    [twice] = problems(tmp_path, "key,name,name\n")
    assert twice == "line 1: each column may be there once"


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="cannot be read: No such file"):
        read_keys(tmp_path / "nowhere.csv")
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00k")
    with pytest.raises(ImportRefused, match="it is not UTF-8 text"):
        read_keys(path)
    assert read_keys(written(tmp_path, "\ufeffkey,name\n")) == []


@given(st.text(max_size=300))
def test_no_table_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / "any.csv"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        keys = read_keys(path)
    except ImportRefused:
        return
    assert all(key.request.name for key in keys)
