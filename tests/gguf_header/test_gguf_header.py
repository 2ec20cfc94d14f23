"""Reading headers of files that an operator names: right ones, and anything else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gguf_header import GgufHeader, GgufUnusable, read_header


def _write(path: Path, architecture: str = "llama", *, pooling: bool = False) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_license("apache-2.0")
    writer.add_context_length(2048)
    writer.add_token_list(["a", "bc", "def"])
    writer.add_token_types([1, 1, 1])
    if pooling:
        writer.add_causal_attention(False)
        writer.add_pooling_type(gguf.PoolingType.MEAN)
    else:
        writer.add_chat_template("{{ messages }}")
    writer.add_tensor("output.weight", np.full((8, 16), 0.7, dtype=np.float32))
    writer.add_tensor("token_embd.weight", np.full((4, 64), 0.7, dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_what_a_chat_model_says_of_itself(tmp_path: Path) -> None:
    assert read_header(_write(tmp_path / "chat.gguf")) == GgufHeader(
        architecture="llama",
        licence="apache-2.0",
        context_length=2048,
        causal=True,
        pooling=False,
        chat_template="{{ messages }}",
    )


def test_an_encoder_cannot_continue_a_text(tmp_path: Path) -> None:
    header = read_header(_write(tmp_path / "bert.gguf", "bert", pooling=True))

    assert (header.causal, header.pooling) == (False, True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "does not begin with the letters GGUF"),
        (b"PK\x03\x04 a zip file", "does not begin with the letters GGUF"),
        (b"GGUF\x09\x00\x00\x00", "version 9"),
        (b"GGUF\x03\x00\x00\x00" + b"\x00" * 8 + b"\xff" * 8, "values and 0 tensors"),
    ],
)
def test_other_files_are_refused_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)

    with pytest.raises(GgufUnusable, match=reason):
        read_header(file)


@pytest.mark.parametrize("lacking", [1, 100, 700])
def test_a_file_that_ends_too_early_is_refused(tmp_path: Path, lacking: int) -> None:
    file = _write(tmp_path / "chat.gguf")
    whole = file.read_bytes().rstrip(b"\0")  # what comes after the last weight is padding
    file.write_bytes(whole)
    read_header(file)
    file.write_bytes(whole[:-lacking])

    with pytest.raises(GgufUnusable, match=f"and its tensors need {len(whole)}; load it again"):
        read_header(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GgufUnusable, match="is not a file"):
        read_header(tmp_path / "nothing.gguf")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "whole.gguf"
    if not whole.exists():
        _write(whole)
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    file = tmp_path / "damaged.gguf"
    file.write_bytes(content)

    with suppress(GgufUnusable):  # with any other exception, an operator would see a trace
        assert isinstance(read_header(file), GgufHeader)
