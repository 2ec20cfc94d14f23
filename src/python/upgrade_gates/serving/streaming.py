"""Does a stream have everything, and in the right order?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from llm_provider.engine_errors import error_in
from llm_provider.errors import ProviderError
from llm_provider.observer import DONE
from llm_provider.openai_http import OpenAIHTTPProvider
from llm_provider.sse import EventParser
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.answer import chat_body
from upgrade_gates.serving.conformance import CHAT, FINISH_REASONS, QUESTION, usage_problems
from upgrade_gates.serving.outcome import Outcome

_USAGE = {"stream": True, "stream_options": {"include_usage": True}}


@dataclass
class _Reading:
    """What has been seen of a stream so far."""

    problems: list[str] = field(default_factory=list)
    text: str = ""
    role_first: bool | None = None
    finish_reason: str | None = None
    usage: object = None
    done: bool = False
    ids: set[object] = field(default_factory=set)

    def event(self, data: bytes) -> None:
        """Take the data of one event."""
        if self.done:
            self._problem("something follows [DONE]")
        elif data == DONE:
            self.done = True
        else:
            self._chunk(data)

    def _chunk(self, data: bytes) -> None:
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            self._problem(f"an event is no JSON object: {data[:80]!r}")
            return
        error = error_in(document)
        if error is not None:
            self._problem(f"an error comes as an event: {error.get('message')}")
            return
        if document.get("object") != "chat.completion.chunk":
            self._problem(f"`object` is {document.get('object')!r} in a chunk")
        self.ids.add(document.get("id"))
        if document.get("usage") is not None:
            self.usage = document["usage"]
        for choice in document.get("choices") or []:
            self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or {}
        if self.role_first is None:
            self.role_first = delta.get("role") == "assistant"
        content = delta.get("content") or delta.get("reasoning_content") or delta.get("reasoning")
        if content:
            if self.finish_reason is not None:
                self._problem("text follows the finish reason")
            self.text += content
        if choice.get("finish_reason") is not None:
            if self.finish_reason is not None:
                self._problem("there are two finish reasons")
            self.finish_reason = choice["finish_reason"]

    def _problem(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def end(self) -> list[str]:
        """Return everything that is wrong, once nothing more comes."""
        if not self.role_first:
            self._problem("the first chunk does not name the role 'assistant'")
        if not self.text:
            self._problem("there is no text")
        if self.finish_reason not in FINISH_REASONS:
            self._problem(f"the finish reason is {self.finish_reason!r}")
        for problem in usage_problems(self.usage):
            self._problem(problem)
        if len(self.ids) > 1:
            self._problem(f"the chunks have {len(self.ids)} ids")
        if not self.done:
            self._problem("it ends without [DONE]")
        return self.problems


async def check_stream(provider: OpenAIHTTPProvider, model: str) -> Outcome:
    """Check one stream: role, text, finish reason, usage, `[DONE]`, in this order and once."""
    body = chat_body(model, QUESTION, **_USAGE)
    content = bytearray()
    try:
        async with await provider.relay("POST", CHAT, body=body) as relay:
            kind = relay.headers.get("content-type", "")
            async for chunk in relay.chunks():
                content += chunk
    except ProviderError as error:
        return Outcome(Verdict.FAIL, str(error), content.decode("utf-8", "replace"))
    raw = f"> POST {CHAT} {body.decode()}\n< {relay.status} {kind}\n" + content.decode(
        "utf-8", "replace"
    )
    if relay.status != 200 or not kind.startswith("text/event-stream"):
        return Outcome(Verdict.FAIL, f"a stream is answered {relay.status} as {kind!r}", raw)
    problems, text = judge_stream(bytes(content), provider.name)
    return Outcome.of(
        problems, f"role, text, finish reason, usage, [DONE]: {text.strip()[:60]!r}", raw
    )


def judge_stream(content: bytes, name: str) -> tuple[list[str], str]:
    """Return what is wrong with the bytes of a stream, and its text."""
    reading = _Reading()
    for event in EventParser(name).feed(content):
        reading.event(event.data)
    return reading.end(), reading.text
