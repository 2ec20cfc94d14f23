"""The engine's own count of the requests that it has served, from its `/metrics`."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx

from upgrade_gates.context import Serving
from upgrade_gates.engine import secret

COUNTERS = (
    "vllm:request_success_total",
    "cpu_runtime_requests_total",
    "llamacpp:prompt_tokens_total",
)
"""What each engine counts, the first one found is used. The last counts tokens: more than one for
each request, so a request that was served raises it by at least one as well."""

_SAMPLE = re.compile(r"^(?P<name>[A-Za-z_:][\w:]*)(?P<labels>\{[^}]*\})?\s+(?P<value>\S+)", re.M)
_STATUS = re.compile(r'status="(\d+)"')
_SUCCESS = "200"


@dataclass(frozen=True)
class Counter:
    """A reading of the engine's counter.

    Attributes:
        name: of the metric.
        value: None where the engine offers no such counter.
        problem: why there is no value.
    """

    name: str = ""
    value: float | None = None
    problem: str = ""


async def read_counter(serving: Serving, *, seconds: float) -> Counter:
    """Read the engine's counter of served requests.

    Args:
        seconds: time limit.

    Raises:
        ContextUnusable: the variable with the engine's key is not set.
    """
    url = f"{serving.url.removesuffix('/v1')}/metrics"
    key = secret(serving.key_env)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with httpx.AsyncClient(headers=headers, timeout=seconds) as client:
            answer = await client.get(url)
    except httpx.HTTPError as error:
        return Counter(problem=f"{url} gets no response: {error}")
    if answer.status_code != httpx.codes.OK:
        return Counter(problem=f"{url} returns {answer.status_code}")
    return served_requests(answer.text, url)


def served_requests(text: str, url: str = "/metrics") -> Counter:
    """Return the sum of the first known counter in a Prometheus text."""
    sums: dict[str, float] = {}
    for sample in _SAMPLE.finditer(text):
        name, status = sample["name"], _STATUS.search(sample["labels"] or "")
        if name not in COUNTERS or (status is not None and status[1] != _SUCCESS):
            continue
        try:
            sums[name] = sums.get(name, 0.0) + float(sample["value"])
        except ValueError:
            continue
    for name in COUNTERS:
        if name in sums:
            return Counter(name, sums[name])
        if f"# TYPE {name.removesuffix('_total')} counter" in text or f"# TYPE {name} " in text:
            return Counter(name, 0.0)  # labels appear with the first request
    return Counter(problem=f"{url} has none of {', '.join(COUNTERS)}")
