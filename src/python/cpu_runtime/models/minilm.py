"""all-MiniLM-L6-v2 as llama.cpp reads it: the packaged weights, written as GGUF.

The layout of the file follows llama.cpp's own converter for BERT models (`convert_hf_to_gguf.py`):
the pooling layer on top is left out, because sentence embeddings are the mean of the token vectors.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

from cpu_runtime.errors import ModelUnusable

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors, as its authors published it."""

VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
"""Of vocab.txt."""

FILE_NAME = f"all-MiniLM-L6-v2-{WEIGHTS_SHA256[:12]}-f16-1.gguf"
"""Names the source, the precision, and the version of this conversion: raise the last on change."""

_LEFT_OUT = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")
_KEPT_EXACT = ("position_embd", "token_types")
_SPECIAL = frozenset({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})


def convert(folder: Path, destination: Path) -> None:
    """Write the model of a folder as one GGUF file with 16-bit matrices.

    Raises:
        ModelUnusable: the folder does not hold the files that are known to be right.
        OSError: the file cannot be written.
    """
    _require(folder / "model.safetensors", WEIGHTS_SHA256)
    _require(folder / "vocab.txt", VOCABULARY_SHA256)
    shape: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(destination, "bert")
    try:
        _describe(writer, shape)
        _add_vocabulary(writer, (folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
        _add_tensors(writer, folder / "model.safetensors", shape["num_hidden_layers"])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _require(file: Path, digest: str) -> None:
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ModelUnusable(f"{file} cannot be read: {error.strerror}; install it anew") from None
    if found != digest:
        raise ModelUnusable(
            f"{file} is damaged or another version: its sha256 is {found}, not {digest}; "
            "install it anew"
        )


def _describe(writer: gguf.GGUFWriter, shape: dict[str, Any]) -> None:
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_license("apache-2.0")
    writer.add_block_count(shape["num_hidden_layers"])
    writer.add_context_length(shape["max_position_embeddings"])
    writer.add_embedding_length(shape["hidden_size"])
    writer.add_feed_forward_length(shape["intermediate_size"])
    writer.add_head_count(shape["num_attention_heads"])
    writer.add_layer_norm_eps(shape["layer_norm_eps"])
    writer.add_token_type_count(shape["type_vocab_size"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _add_vocabulary(writer: gguf.GGUFWriter, words: list[str]) -> None:
    kinds = [gguf.TokenType.CONTROL if w in _SPECIAL else gguf.TokenType.NORMAL for w in words]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list([_piece(word) for word in words])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(words.index("[CLS]"))
    writer.add_sep_token_id(words.index("[SEP]"))
    writer.add_unk_token_id(words.index("[UNK]"))
    writer.add_pad_token_id(words.index("[PAD]"))
    writer.add_mask_token_id(words.index("[MASK]"))


def _piece(word: str) -> str:
    """Mark the beginnings of words, as llama.cpp does, instead of the continuations."""
    if word in _SPECIAL:
        return word
    return word[2:] if word.startswith("##") else "\u2581" + word


def _add_tensors(writer: gguf.GGUFWriter, weights: Path, layers: int) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, layers)
    for key, values in load_file(weights).items():
        if key in _LEFT_OUT:
            continue
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ModelUnusable(f"{weights} has a tensor {key!r} that is not one of BERT's")
        halved = values.ndim == 2 and not name.startswith(_KEPT_EXACT)
        writer.add_tensor(name, values.astype(np.float16 if halved else np.float32))
