"""The strings that a deployment sends, one after another, within the deadlines of the call."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, cast

from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from llm_provider.config import UpstreamConfig
from llm_provider.errors import UpstreamDisconnected, UpstreamFailed, UpstreamTimeout

RAY_FAULTS = (RayError, RayServeException, OSError, RuntimeError, KeyError)
"""What Ray raises when a cluster or a deployment is not there, or not well."""


class Strings:
    """The answer to one call of a deployment's method, which yields strings.

    Args:
        handle: of the deployment, with the method chosen.
    """

    def __init__(
        self, config: UpstreamConfig, handle: DeploymentHandle[Any], *arguments: object
    ) -> None:
        total = config.timeouts.total
        self._config = config
        self._deadline = None if total is None else asyncio.get_running_loop().time() + total
        self._answer = cast(
            "DeploymentResponseGenerator[str]",
            handle.options(stream=True).remote(*arguments),
        )

    async def next(self, phase: Literal["first_byte", "idle"]) -> str | None:
        """Return the next string, or None after the last.

        Args:
            phase: whose deadline applies.

        Raises:
            UpstreamTimeout: it did not come in time.
            UpstreamDisconnected: the replica died.
            UpstreamFailed: the method raised, or the deployment has too much to do.
        """
        name, timeouts = self._config.name, self._config.timeouts
        seconds = timeouts.first_byte if phase == "first_byte" else timeouts.idle
        own = asyncio.get_running_loop().time() + seconds
        total_first = self._deadline is not None and self._deadline <= own
        try:
            async with asyncio.timeout_at(self._deadline if total_first else own):
                return await anext(self._answer)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            if total_first:
                raise UpstreamTimeout(name, "total", timeouts.total or 0.0) from None
            raise UpstreamTimeout(name, phase, seconds) from None
        except BackPressureError as error:
            raise UpstreamFailed(name, 503, b"", headers={"retry-after": "1"}) from error
        except RayActorError as error:
            raise UpstreamDisconnected(name, f"upstream {name!r}: its replica died") from error
        except (RayError, RayServeException) as error:
            raise UpstreamFailed(name, 500, b"", f"upstream {name!r}: {clause(error)}") from error

    def cancel(self) -> None:
        """Tell the deployment to stop, which after the last string does nothing."""
        self._answer.cancel()  # type: ignore[no-untyped-call]


def clause(error: Exception) -> str:
    """Return what an exception says, without the trace that Ray puts into its text."""
    cause = error.cause if isinstance(error, RayTaskError) else None
    if isinstance(cause, Exception):
        return f"{type(cause).__name__}: {cause}".splitlines()[0]
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return (said or type(error).__name__).splitlines()[0]
