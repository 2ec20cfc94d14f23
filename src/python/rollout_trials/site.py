"""Starting everything that a trial needs, and ending it again whatever happens."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from rollout_trials.api import MODEL, Api, Place
from rollout_trials.engines import Engine
from rollout_trials.proxy import Proxy
from rollout_trials.speed import speed_of
from rollout_trials.trial import Site
from rollout_trials.users import Users

LOAD = 0.3
"""Of what one engine can answer."""

MOST_PER_SECOND = 16.0
MUCH = 1.5
EVEN = 1.2
"""The old engine, held back, takes so many times as long as the new one, which is not to be found
worse on a bad day."""


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
    busy, so that what is compared are the stacks, and not their lines. If the old engine is much
    the faster one, its proxy holds it back.

    Args:
        say: is told what is being started.
    """
    async with AsyncExitStack() as stack:
        for engine, name in ((old, "old"), (new, "new")):
            say(f"the {name} engine ({engine.kind})")
            stack.push_async_callback(engine.stop)
            await engine.start()
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
        old_speed = await speed_of(old_proxy.url, old.model, tokens)
        new_speed = await speed_of(new_proxy.url, new.model, tokens)
        if new_speed.whole > MUCH * old_speed.whole:
            later = EVEN * new_speed.first - old_speed.first
            longer = EVEN * (new_speed.whole - new_speed.first)
            old_proxy.pace = (max(0.0, later), longer / (tokens + 1))
        most = min(old.batching / old_speed.whole, new.batching / new_speed.whole)
        rate = min(MOST_PER_SECOND, LOAD * most)
        first, each = old_proxy.pace
        seconds = max(old_speed.whole + first + (tokens + 1) * each, new_speed.whole)
        load = Users(api.url, MODEL, keys, per_second=rate, tokens=tokens, seconds=seconds)
        await stack.enter_async_context(load.asking())
        yield Site(api, load, new_proxy, new, old_proxy.pace, new_speed)


def empty_folder(path: Path) -> Path:
    """Return a folder for one run, without what an earlier one has left in it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
