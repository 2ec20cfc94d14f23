"""The first API key: created once for a data folder, used again as long as the API accepts it."""

from __future__ import annotations

import json
from collections.abc import Callable

from local_stack.children import Program
from local_stack.errors import ChildFailed
from local_stack.http_probe import Question
from local_stack.layout import DataDir
from local_stack.private_file import read_secret, write_secret
from local_stack.supervision import Children

ARGUMENTS = ("--name", "first-admin", "--scope", "inference", "--scope", "admin", "--json")
"""Of `keys create`."""

_ACCEPTED = 200
_REFUSED = (401, 403)


async def usable_key(
    url: str, data: DataDir, create: Program, children: Children, show: Callable[[str], None]
) -> str:
    """Return a key that the running API accepts, and keep it in the data folder.

    A kept key that is refused was revoked, or is of a database that is gone; then there is a new
    one.

    Args:
        url: where the API answers.
        create: the command that prints a new key as JSON.

    Raises:
        ChildFailed: no key could be created.
        DataDirUnusable: the key's file cannot be used.
    """
    kept = read_secret(data.admin_key)
    if kept is not None:
        answer = await Question(url, "/v1/models", kept).until(_ACCEPTED, *_REFUSED)
        if answer.status == _ACCEPTED:
            return kept
    key = _key_in(await children.run(create, show, keep_result=True))
    write_secret(data.admin_key, key)
    # The API learns of keys that others create within a moment.
    await Question(url, "/v1/models", key).until(_ACCEPTED)
    return key


def _key_in(output: bytes) -> str:
    try:
        return str(json.loads(output)["key"])
    except (ValueError, KeyError, TypeError):
        # The output is not shown: whatever its form, it may hold the key.
        raise ChildFailed("`keys create --json` did not print a key as JSON") from None
