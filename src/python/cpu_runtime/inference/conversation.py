"""Building the messages of a chat from protocols whose conversations are finer than turns.

Chat templates are strict: many raise an error where a system message is not the first one, or where
two messages of the user follow each other. So what belongs to one turn becomes one message.
"""

from __future__ import annotations

from cpu_runtime.inference.fields import Body

_PARAGRAPH = "\n\n"


class Conversation:
    """Takes what was said in its order, and gives messages whose roles alternate.

    Args:
        system: the text that comes before everything, or an empty one.
    """

    def __init__(self, system: str = "") -> None:
        self._system = [system] if system else []
        self._messages: list[Body] = []

    def say(self, role: str, text: str) -> None:
        """Add a text of `system`, `developer`, `user` or `assistant`."""
        if role in ("system", "developer"):
            if not self._messages:
                self._system.append(text)
                return
            role = "user"  # an instruction in the middle, where templates know no system message
        message = self._turn(role)
        said = message["content"]
        message["content"] = f"{said}{_PARAGRAPH}{text}" if said else text

    def think(self, text: str) -> None:
        """Add what the model thought before the text or the calls that come next."""
        message = self._turn("assistant")
        message["reasoning_content"] = message.get("reasoning_content", "") + text

    def call(self, identity: str, name: str, arguments: str) -> None:
        """Add the call of a tool; its arguments are JSON."""
        call = {
            "id": identity,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        self._turn("assistant").setdefault("tool_calls", []).append(call)

    def result(self, identity: str, text: str) -> None:
        """Add the result of a call."""
        self._messages.append({"role": "tool", "tool_call_id": identity, "content": text})

    def messages(self) -> list[Body]:
        """Return the messages."""
        if not self._system:
            return self._messages
        return [{"role": "system", "content": _PARAGRAPH.join(self._system)}, *self._messages]

    def _turn(self, role: str) -> Body:
        """Return the message that is under way, or a new one if it is another's turn."""
        last = self._messages[-1] if self._messages else None
        # What is said after calls comes after their results, so it is another message.
        if last is not None and last["role"] == role:
            return last
        message: Body = {"role": role, "content": ""}
        self._messages.append(message)
        return message
