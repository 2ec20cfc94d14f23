"""Requests of many shapes and languages, by which two engines are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Body = Mapping[str, Any]

WEATHER_TOOL: Body = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}

STRICT_WEATHER_TOOL: Body = {
    "type": "function",
    "function": {**WEATHER_TOOL["function"], "strict": True},
}
"""The same, with a promise that the arguments fit: without it, engines need not make them fit."""

PERSON_SCHEMA: Body = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of request, as callers send it.

    Attributes:
        name: in a word.
        body: of `/v1/chat/completions`, without `model`.
    """

    name: str
    body: Body


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


_SENTENCE = "The river rose slowly, and by noon the lower meadow lay under a hand of clear water. "

_TEXTS = {
    "plain": "What is the capital of France?",
    "one word": "Hello",
    "white space": "  Two  spaces,\ttab,\n\nblank line,\ntrailing space ",
    "code": "def f(x):\n    return {k: v for k, v in x.items() if v is not None}\n",
    "numbers": "3.14159, 1,000,000, 0xFF, 2026-12-01T00:00:00Z, 1e-9",
    "German": "Der größte Fluß fließt über die Brücke; «Straße» heißt sie.",
    "Russian": "Какая столица у Франции?",  # noqa: RUF001
    "Chinese": "法国的首都是哪里？请用一句话回答。",  # noqa: RUF001
    "Japanese": "フランスの首都はどこですか。",
    "Arabic": "ما هي عاصمة فرنسا؟",
    "Hindi": "फ़्रांस की राजधानी क्या है?",
    "emoji": "Is 👩‍👩‍👧 one character or several? 🇨🇭",
    "special tokens as text": "Write <|im_end|> and </s> and [INST] as they are.",
    "long": _SENTENCE * 40,
}

_CONVERSATION = [
    _user("Name a colour."),
    {"role": "assistant", "content": "Green."},
    _user("And another one?"),
]

_TOOL_RESULT = [
    _user("What is the weather in Bern?"),
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Bern"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": '{"temperature": 7}'},
]

_REASONED = [
    _user("Is 91 a prime?"),
    {"role": "assistant", "content": "No.", "reasoning_content": "91 is 7 times 13."},
    _user("And 97?"),
]

SHAPES: tuple[Shape, ...] = (
    *(Shape(name, {"messages": [_user(text)]}) for name, text in _TEXTS.items()),
    Shape("system", {"messages": [{"role": "system", "content": "Be brief."}, _user("Hello")]}),
    Shape("several turns", {"messages": _CONVERSATION}),
    Shape(
        "content in parts",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is"},
                        {"type": "text", "text": " the capital of France?"},
                    ],
                }
            ]
        },
    ),
    Shape("tools", {"messages": [_user("What is the weather in Bern?")], "tools": [WEATHER_TOOL]}),
    Shape("tool result", {"messages": _TOOL_RESULT, "tools": [WEATHER_TOOL]}),
    Shape("reasoning before", {"messages": _REASONED}),
)
"""Whose rendered prompts are compared."""

PLAIN_TEXTS = tuple(_TEXTS.values())
"""What `/tokenize` is asked of without a template, to tell a tokenizer from a template."""

CONTINUATIONS = (
    "Tell me how a bicycle stays upright.",
    "Write a short letter to a neighbour about a noisy dog.",
    "Explain what a database index is.",
    "List five fruits and say one thing about each.",
    "Why is the sky blue in the day and red in the evening?",
    "Describe the way from a seed to a tree.",
    "What should one do before a long hike in the mountains?",
    "Write a function in Python that reverses a list, and explain it.",
    "Summarise the story of Cinderella in four sentences.",
    "What is the difference between weather and climate?",
    "How does bread rise?",
    "Compare trains and planes for a journey of 500 kilometres.",
    "Schreibe drei Sätze über den Herbst.",
    "Explique pourquoi le pain lève.",
    "解释一下什么是数据库索引。",
    "Расскажи, почему небо голубое.",
    "Translate 'the lower meadow lay under water' into Spanish and German.",
    "Solve step by step: a train leaves at 9:40 and takes 2 h 35 min.",
    "Write a JSON object that describes a book with title, author and year.",
    "Give three reasons to keep a diary.",
    "What happens when a computer starts?",
    "Write a haiku about rain, and explain its form.",
    "How would you teach a child to tell the time?",
    "What is a hash table, and when is it slow?",
    "Describe a market on a Saturday morning.",
    "Why do cats purr?",
    "Explain compound interest with numbers.",
    "What are the parts of a letter in a business style?",
    "Write a dialogue between a tourist and a baker.",
    "Which planets have rings?",
)
"""Prompts whose continuations are scored by both engines."""
