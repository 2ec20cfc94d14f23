"""What explains a difference: one word for the operator, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from answer_parity.side_by_side import Example


class Cause(StrEnum):
    """Why two engines answer differently."""

    TEMPLATE = "another chat template"
    BOS_DOUBLED = "doubled beginning-of-sequence token"
    BOS_MISSING = "missing beginning-of-sequence token"
    TOKENIZER = "another tokenizer"
    CONTEXT = "prompt cut or refused for its length"
    STRUCTURED_OUTPUT = "structured output ignored"
    REASONING_FIELD = "reasoning under another name"
    TOOL_PARSER = "tool calls left in the text"
    SAMPLING_DEFAULTS = "other sampling defaults"
    LOGPROBS = "logprobs before or after sampling settings"
    WEIGHTS = "other weights or arithmetic"
    POOLING = "other pooling or normalisation"
    KERNEL_UNDER_LOAD = "corruption under load"
    STOPPING = "other ends of answers"
    STREAM = "a stream that is not its whole answer"
    REFUSED = "refused requests"
    FIELD = "a request field that is no longer known"


REMEDIES: dict[Cause, str] = {
    Cause.TEMPLATE: "compare --chat-template and the model's tokenizer_config.json of both engines",
    Cause.BOS_DOUBLED: "the template writes the token and the tokenizer adds it again; "
    "check add_bos_token and the template's first line",
    Cause.BOS_MISSING: "check add_bos_token: newer tokenizers drop it unless it is set",
    Cause.TOKENIZER: "check --tokenizer and --tokenizer-mode: the same text has other tokens",
    Cause.CONTEXT: "check --max-model-len, and whether the prompt is truncated silently",
    Cause.STRUCTURED_OUTPUT: "the field is ignored with status 200; callers need its new name "
    "(`parity contract` lists it), or bridge it in the model's configuration",
    Cause.REASONING_FIELD: "callers read the former name; bridge it in the model's configuration",
    Cause.TOOL_PARSER: "start the engine with --enable-auto-tool-choice and the --tool-call-parser "
    "of this model",
    Cause.SAMPLING_DEFAULTS: "the engine takes defaults from generation_config.json; "
    "set --generation-config vllm, or the same file for both",
    Cause.LOGPROBS: "check --logprobs-mode",
    Cause.WEIGHTS: "compare the model files' digests, --dtype and --quantization of both engines",
    Cause.POOLING: "check the pooler's type and normalisation, and query prefixes; "
    "an index of old vectors must not be searched with new ones",
    Cause.KERNEL_UNDER_LOAD: "alone the answers agree, and in a batch they do not: suspect an "
    "attention or sampling kernel, and report it to the engine's maintainers",
    Cause.STOPPING: "check stop strings, generation_config.json's eos_token_id, and max_tokens",
    Cause.STREAM: "report it to the engine's maintainers; clients that stream get another text",
    Cause.REFUSED: "read the refusal; the new engine wants something that the old one did not",
    Cause.FIELD: "callers send it and it is ignored; see `parity contract`",
}
"""What to look at first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference that is beyond noise.

    Attributes:
        probe: what was asked, in a word.
        cause: why.
        says: what each engine did, for the reader.
        example: both responses, where there are texts to show.
    """

    probe: str
    cause: Cause
    says: str
    example: Example | None = None


def explain_prompts(
    old: Sequence[int], new: Sequence[int], *, same_tokenizer: bool
) -> tuple[Cause, str] | None:
    """Return why two engines render the same request to other tokens; None if they do not.

    Args:
        old: the rendered prompt's tokens on the old engine.
        new: on the new one.
        same_tokenizer: whether plain text has the same tokens on both.
    """
    if list(old) == list(new):
        return None
    counts = f"{len(old)} prompt tokens on the old engine, {len(new)} on the new one"
    if len(new) == len(old) + 1 and list(new[1:]) == list(old) and new[0] in new[1:2]:
        return Cause.BOS_DOUBLED, f"{counts}; the new prompt begins with token {new[0]} twice"
    if len(new) == len(old) - 1 and list(old[1:]) == list(new):
        return Cause.BOS_MISSING, f"{counts}; token {old[0]} at the beginning is missing"
    if not same_tokenizer:
        return Cause.TOKENIZER, f"{counts}; plain text has other tokens, too"
    if _is_cut(old, new):
        return Cause.CONTEXT, f"{counts}; what is left is a part of the old prompt"
    at = _first_difference(old, new)
    return Cause.TEMPLATE, f"{counts}; they differ from token {at} on"


def explain_counts(lengths: Sequence[tuple[int, int]]) -> tuple[Cause, str] | None:
    """Return why prompts have other numbers of tokens, where engines tell no more than that.

    Args:
        lengths: for each shape of request, the number on the old engine and on the new one.
    """
    differences = [new - old for old, new in lengths]
    if not any(differences):
        return None
    shown = ", ".join(f"{old} -> {new}" for old, new in lengths[:4])
    if all(difference in (0, differences[-1]) for difference in differences):
        cut = [(old, new) for old, new in lengths if new != old]
        if len(cut) < len(lengths) and cut[0][1] < cut[0][0] == max(old for old, _ in lengths):
            return Cause.CONTEXT, f"only the longest prompt is shorter: {shown} tokens"
    if len(set(differences)) == 1 and abs(differences[0]) == 1:
        cause = Cause.BOS_DOUBLED if differences[0] > 0 else Cause.BOS_MISSING
        return cause, f"every prompt differs by one token: {shown}"
    longest = max(lengths)
    shortest = min(lengths)
    grows = abs(longest[1] - longest[0]) > 3 * max(1, abs(shortest[1] - shortest[0]))
    cause = Cause.TOKENIZER if grows else Cause.TEMPLATE
    return cause, f"numbers of prompt tokens differ: {shown}"


def explain_cut(counted: tuple[int, int] | None) -> tuple[Cause, str] | None:
    """Return why an engine answers another prompt than it renders; None if it does not.

    Args:
        counted: prompt tokens of an answer on the old engine and on the new one, for a prompt that
            both render to the same tokens; None if they do not say.
    """
    if counted is None or counted[0] == counted[1]:
        return None
    shown = f"rendered alike, but {counted[0]} tokens are read before and {counted[1]} now"
    return Cause.CONTEXT if counted[1] < counted[0] else Cause.TEMPLATE, shown


def _is_cut(old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether the new prompt is the old one without a run of tokens somewhere."""
    if not 0 < len(new) < len(old):
        return False
    front = _first_difference(old, new)
    back = _first_difference(old[::-1], new[::-1])
    return front + back >= len(new) and len(old) - len(new) > max(8, len(old) // 10)


def _first_difference(old: Sequence[int], new: Sequence[int]) -> int:
    for index, (left, right) in enumerate(zip(old, new, strict=False)):
        if left != right:
            return index
    return min(len(old), len(new))
