"""Which engines are compared: sound pairs, and pairs with a planted fault."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from answer_parity.causes import Cause
from parity_benchmark import faults
from parity_benchmark.engines import Setup
from parity_benchmark.faults import Fault

OLD = Setup()


@dataclass(frozen=True)
class Sound:
    """Two engines that an operator would call equivalent."""

    name: str
    new: Setup
    old: Setup = OLD


@dataclass(frozen=True)
class Planted:
    """A fault, and the cause that ought to be named.

    Attributes:
        new: how the faulty engine is started.
        fault: what happens on the way to it.
        old_fault: what happens on the way to the old engine.
        exact: whether one request is enough to see it.
        numbers: whether only scored text shows it, so that probes need not be asked first.
    """

    name: str
    cause: Cause
    new: Setup = OLD
    fault: Fault | None = None
    old_fault: Fault | None = None
    exact: bool = True
    numbers: bool = False


SOUND = (
    Sound("the same engine, another process", OLD),
    Sound("two threads instead of one", Setup(threads=2)),
    Sound("0.13 and 0.32, both float32", Setup("edge")),
    Sound("0.13 in float32 and 0.32 in bfloat16", Setup("edge", dtype="bfloat16")),
    Sound("0.32 eager and compiled", Setup("edge", compiled=True), Setup("edge")),
)


def planted(model: Path, variants: Path) -> tuple[Planted, ...]:
    """Return every fault.

    Args:
        model: the folder of the sound model.
        variants: the folder with what `benchmarks/parity-weights` has made of it.
    """
    written = (model / "chat_template.jinja").read_text()
    newline = written.replace("message['role'] + '\n'", "message['role'] + '\n\n'", 1)
    missing = written.replace("{{ '<|im_start|>system", "{{ 'system", 1)
    assert len({written, newline, missing}) == 3, "the template is not the one that is known here"
    return (
        Planted("one newline in the template", Cause.TEMPLATE, fault=faults.template(newline)),
        Planted(
            "BOS doubled",
            Cause.BOS_DOUBLED,
            fault=faults.template("{{ '<|im_start|>' }}" + written),
        ),
        Planted("BOS missing", Cause.BOS_MISSING, fault=faults.template(missing)),
        Planted(
            "context cut to 200 tokens",
            Cause.CONTEXT,
            fault=faults.with_fields(truncate_prompt_tokens=200),
        ),
        Planted(
            "structured output ignored", Cause.STRUCTURED_OUTPUT, fault=faults.without_structure()
        ),
        Planted(
            "reasoning field renamed",
            Cause.REASONING_FIELD,
            fault=faults.reasoning_as("reasoning"),
            old_fault=faults.reasoning_as("reasoning_content"),
        ),
        Planted("tool calls left in the text", Cause.TOOL_PARSER, fault=faults.calls_in_text()),
        Planted(
            "sampling defaults: temperature 0.6, top_p 0.9",
            Cause.SAMPLING_DEFAULTS,
            fault=faults.with_fields(temperature=0.6, top_p=0.9),
            exact=False,
        ),
        Planted(
            "corruption from four requests on",
            Cause.KERNEL_UNDER_LOAD,
            fault=faults.corrupt_under_load(),
            exact=False,
            numbers=True,
        ),
        Planted(
            "processed instead of raw logprobs",
            Cause.LOGPROBS,
            Setup(arguments=("--logprobs-mode", "processed_logprobs")),
            numbers=True,
        ),
        Planted("another tokenizer", Cause.TOKENIZER, Setup(model=variants / "tokenizer")),
        *(
            Planted(name, Cause.WEIGHTS, Setup(model=variants / folder), exact=False, numbers=True)
            for name, folder in (
                ("weights in int8 by row", "int8"),
                ("weights in int4 in groups of 32", "int4"),
                ("30% noise on one of thirty MLP matrices", "layer"),
            )
        ),
    )
