"""Pairs: a request of a live rollout, sent to both stacks once more, beside the traffic.

The caller's own response is not touched, and nobody waits for a pair. There are at most so many at
a time in each worker, so many in a rollout, and none while another copy of the model would wait.
"""

# interpreted: a request that makes no pair costs a look-up here; pairs have no caller who waits.

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from answer_parity.answers import Answer, answer_of, document_of_stream
from answer_parity.traffic import Pair, pair_of
from llm_provider.errors import ProviderError
from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import Message
from querylake_api.inference.call import Call
from querylake_api.inference.catalog import Model
from querylake_api.inference.dispatch import Dispatch, Dispatcher
from querylake_api.keys.models import ApiKey
from querylake_api.parity.corpus import Corpus
from querylake_api.parity.pair_request import PairRequest
from querylake_api.parity.plan import ParityPlan
from querylake_api.parity.repository import ParityRepository, about
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.requests.record import Progress
from querylake_api.settings import Role

MAX_PAIRS = 4
"""Pairs under way at once, in each worker; beyond that, requests make none."""

PAIR_SECONDS = 300.0
"""After which a pair is given up."""

MAX_ANSWER_BYTES = 1024 * 1024
_COMPARED = ("chat", "completions")

_log = logging.getLogger(__name__)


class LivePlans(Protocol):
    """Tells which rollout of a model makes pairs."""

    def __call__(self, model: Model) -> tuple[str, ParityPlan] | None:
        """Return the rollout's id and its plan; None if there is none."""
        ...


class Always:
    """Assigns everything to one stack: what pairs are sent with."""

    def __init__(self, stack: Role) -> None:
        self._stack = stack

    def stack_for(self, model: Model, key: ApiKey, request_id: str) -> Role:
        """Return that stack."""
        return self._stack


class ObservingDispatcher:
    """Sends requests on as another dispatcher does; records some, and makes pairs of some.

    Args:
        stable: sends everything to the stable stack.
        candidate: sends everything to the candidate.
        count: takes the tokens that a pair has cost, by model and stack.
        chance: between 0 and 1, for the sample.
    """

    def __init__(
        self,
        requests: Dispatcher,
        *,
        stable: Dispatcher,
        candidate: Dispatcher,
        plans: LivePlans,
        corpus: Corpus,
        repository: ParityRepository,
        count: Callable[[str, str, int], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._requests = requests
        self._stacks: Mapping[Role, Dispatcher] = {
            "stable": stable,
            "candidate": candidate,
        }
        self._plans = plans
        self._corpus = corpus
        self._repository = repository
        self._count = count
        self._chance = chance
        self._under_way: set[asyncio.Task[None]] = set()
        self._made: dict[str, int] = {}
        """Pairs of each rollout that this worker has begun."""

    def dispatch(self, call: Call, progress: Progress) -> Dispatch:
        """Return the request, bound to its stack. A pair may have been begun."""
        dispatch = self._requests.dispatch(call, progress)
        if call.endpoint.optional:
            return dispatch
        self._corpus.note(call)
        if dispatch.stack == "stable" and call.endpoint.capability in _COMPARED:
            live = self._plans(call.model)
            if live is not None and self._drawn(*live):
                self._begin(call, *live)
        return dispatch

    async def close(self) -> None:
        """End every pair."""
        for pair in list(self._under_way):
            pair.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _drawn(self, rollout_id: str, plan: ParityPlan) -> bool:
        return (
            len(self._under_way) < MAX_PAIRS
            and self._made.get(rollout_id, 0) < plan.max_pairs
            and self._chance() * 100 < plan.percent
        )

    def _begin(self, call: Call, rollout_id: str, plan: ParityPlan) -> None:
        self._made[rollout_id] = self._made.get(rollout_id, 0) + 1
        own = self._chance() * 100 < plan.own_percent
        pair = asyncio.create_task(self._pair(call, rollout_id, own=own))
        self._under_way.add(pair)
        pair.add_done_callback(self._under_way.discard)

    async def _pair(self, call: Call, rollout_id: str, *, own: bool) -> None:
        try:
            async with asyncio.timeout(PAIR_SECONDS):
                old, new = await asyncio.gather(
                    self._answer(call, "stable"),
                    self._answer(call, "stable" if own else "candidate"),
                )
            if old is None or new is None or not old.ok:
                # What the stable stack does not answer shows nothing of the candidate.
                return
            request = json.loads(call.body)
            pair = pair_of(request, old, new, own=own)
            sealed = self._example(call, rollout_id, pair, old, new)
            await self._repository.add_pair(rollout_id, call.key.id, as_document(pair), sealed)
        except (TimeoutError, DatabaseUnavailable, ValueError) as error:
            _log.debug("a pair of %s is lost: %s", rollout_id, type(error).__name__)
        except Exception:  # noqa: BLE001 - a pair has no caller who could be told
            _log.exception("a pair of %s failed", rollout_id)

    async def _answer(self, call: Call, stack: Role) -> Answer | None:
        """Return what a stack answers; None if that cannot be compared."""
        taken = _Taken()
        request = PairRequest(call, self._stacks[stack], taken.take)
        try:
            await request.run()
        except ApiError as error:
            return Answer(error.status, refusal=str(error))
        except ProviderError:
            # The engine is away or overloaded: errors are the rollout's own business.
            return None
        content = request.content
        tokens = (content.prompt_tokens or 0) + (content.completion_tokens or 0)
        self._count(call.model.id, stack, tokens)
        return taken.answer(stream=call.stream, tokens=content.prompt_tokens)

    def _example(
        self, call: Call, rollout_id: str, pair: Pair, old: Answer, new: Answer
    ) -> bytes | None:
        """Return request and answers, sealed, where they differ and may be kept."""
        seal = self._corpus.seal
        if pair.own or not pair.differs or seal is None or not self._corpus.agreed(call):
            return None
        document = {
            "request": call.body.decode(errors="replace"),
            "old": old.shown() if old.ok else old.refusal,
            "new": new.shown() if new.ok else new.refusal,
        }
        return seal.seal(json.dumps(document).encode(), about(rollout_id, call.key.id))


class _Taken:
    """A response, as far as it is to be kept."""

    def __init__(self) -> None:
        self._status = 0
        self._body = bytearray()

    async def take(self, message: Message) -> None:
        """Take a piece of a response."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif len(self._body) < MAX_ANSWER_BYTES:
            self._body += message.get("body", b"")

    def answer(self, *, stream: bool, tokens: int | None) -> Answer | None:
        """Return what it says; None for what cannot be read, such as a part."""
        if len(self._body) >= MAX_ANSWER_BYTES:
            return None
        try:
            if stream and self._status == 200:
                document: Any = document_of_stream(_events(self._body.decode()))
            else:
                document = json.loads(self._body)
        except ValueError:
            return None
        if not isinstance(document, dict):
            return None
        if tokens is not None and not document.get("usage"):
            document["usage"] = {"prompt_tokens": tokens}
        return answer_of(self._status, document)


def _events(text: str) -> list[dict[str, Any]]:
    lines = (line[5:].strip() for line in text.splitlines() if line.startswith("data:"))
    events = [json.loads(line) for line in lines if line and line != "[DONE]"]
    return [event for event in events if isinstance(event, dict)]


def as_document(pair: Pair) -> dict[str, Any]:
    """Return a pair as it is stored: names of signals and counts, and no text."""
    return {
        "own": pair.own,
        "old": sorted(pair.old),
        "new": sorted(pair.new),
        "prompt_tokens": pair.prompt_tokens,
    }


def from_document(document: Mapping[str, Any]) -> Pair:
    """Return a pair that was stored."""
    counted = document.get("prompt_tokens")
    return Pair(
        bool(document["own"]),
        frozenset(document["old"]),
        frozenset(document["new"]),
        None if counted is None else (int(counted[0]), int(counted[1])),
    )
