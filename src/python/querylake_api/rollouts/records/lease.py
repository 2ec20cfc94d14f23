"""One controller at a time, over all machines.

The lease is a row that its holder renews; whoever finds it expired takes it, with a larger token.
Every change that a controller makes carries its token and fails if that is no longer the row's: a
controller that slept through its lease cannot act on what it thought before. Expiry is by the
database's clock alone.
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from querylake_api.persistence.database import Database
from querylake_api.rollouts.records.models import RolloutLeaseRow

LEASE_SECONDS = 5


_NOW = func.clock_timestamp()
_TERM = text(f"interval '{LEASE_SECONDS} seconds'")

_FREE = or_(
    RolloutLeaseRow.holder == bindparam("me"),
    RolloutLeaseRow.expires_at < _NOW,
    # Further away than a lease lasts: the database's clock was set back meanwhile.
    RolloutLeaseRow.expires_at > _NOW + _TERM,
)
_IS_FREE = select(RolloutLeaseRow.token).where(_FREE)
_CLAIM = (
    update(RolloutLeaseRow)
    .where(_FREE)
    .values(
        token=text("CASE WHEN holder = :me THEN token ELSE token + 1 END"),
        holder=bindparam("me"),
        expires_at=_NOW + _TERM,
    )
    .returning(RolloutLeaseRow.token)
)


class LeaseLost(Exception):
    """Another controller has taken over."""


class Lease:
    """This process's claim.

    Attributes:
        token: what the last successful claim got; None if another process holds the lease.
    """

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder
        self.token: int | None = None

    async def claim(self) -> bool:
        """Take or renew the lease, and return whether this process has it now.

        Raises:
            DatabaseUnavailable: nobody can say who has it, so this process does not.
        """
        me = {"me": self._holder}
        # Whoever does not have it mostly finds that somebody has, and a look costs little.
        if self.token is None and not await self._database.heartbeat.look(_IS_FREE, me):
            return False
        self.token = None
        for row in await self._database.heartbeat.look(_CLAIM, me):
            self.token = row.token
        return self.token is not None

    async def check(self, connection: AsyncConnection) -> None:
        """Make sure, until the transaction ends, that nobody else has the lease.

        Raises:
            LeaseLost: somebody has.
        """
        query = select(RolloutLeaseRow.token).with_for_update(read=True)
        if (await connection.execute(query)).scalar_one() != self.token:
            raise LeaseLost

    async def release(self) -> None:
        """Let the next process have it at once."""
        query = (
            update(RolloutLeaseRow)
            .where(RolloutLeaseRow.holder == self._holder, RolloutLeaseRow.token == self.token)
            .values(expires_at=func.clock_timestamp())
        )
        async with self._database.begin() as connection:
            await connection.execute(query)
