"""Starting everything that a trial needs, and ending it again whatever happens."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from rollout_trials.api import MODEL, Api, Place
from rollout_trials.engines import Engine
from rollout_trials.proxy import Proxy
from rollout_trials.speed import seconds_of_answer
from rollout_trials.trial import Site
from rollout_trials.users import Users

LOAD = 0.3
"""Of what one engine can answer."""

MOST_PER_SECOND = 16.0


@asynccontextmanager
async def running_site(
    api: Api,
    old: Engine,
    new: Engine,
    *,
    users: int,
    tokens: int,
    say: Callable[[str], None],
) -> AsyncIterator[Site]:
    """Start two engines, each behind a proxy, the API in front of both, and users who ask.

    They ask for a third of what the slower engine could answer, and for less while the machine is
    busy, so that what is compared are the stacks, and not their lines.

    Both engines are of one kind. Of two kinds, one is slower, more so when both are at work, and a
    rollout that is rolled back for that says nothing of the fault that is tried.

    Args:
        say: is told what is being started.
    """
    async with AsyncExitStack() as stack:
        say(f"two engines ({new.kind})")
        for engine in (old, new):
            stack.push_async_callback(engine.stop)
        await asyncio.gather(old.start(), new.start())
        # The old engine has a proxy, too: what is done to one stack must be done to the other.
        old_proxy = await stack.enter_async_context(Proxy(old.url).running())
        new_proxy = await stack.enter_async_context(Proxy(new.url).running())
        say("the API, and a database for it")
        stack.push_async_callback(api.stop)
        await api.start(
            Place(old_proxy.url, old.model, old.runtime_url),
            Place(new_proxy.url, new.model, new.runtime_url),
            min(old.slots, new.slots),
        )
        say(f"{users} users, each with a key of their own")
        keys = await api.make_keys(users)
        old_seconds = await seconds_of_answer(old_proxy.url, old.model, tokens)
        new_seconds = await seconds_of_answer(new_proxy.url, new.model, tokens)
        most = min(old.batching / old_seconds, new.batching / new_seconds)
        rate = min(MOST_PER_SECOND, LOAD * most)
        seconds = max(old_seconds, new_seconds)
        load = Users(api.url, MODEL, keys, per_second=rate, tokens=tokens, seconds=seconds)
        await stack.enter_async_context(load.asking())
        yield Site(api, load, new_proxy, new, new_seconds)


def empty_folder(path: Path) -> Path:
    """Return a folder for one run, without what an earlier one has left in it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
