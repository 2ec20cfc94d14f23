"""The maintenance window: when the driver may be changed."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from upgrade_gates.context import Window
from upgrade_gates.errors import WindowUnusable

EXAMPLE = "2027-01-16T22:00+01:00/2027-01-17T02:00+01:00"


def parse_window(text: str, *, zone: str | None = None) -> Window:
    """Understand `START/END`, two times of ISO 8601.

    Args:
        zone: the zone of times that name none, such as `Europe/Berlin`.

    Raises:
        WindowUnusable: they are not two times, lack a zone, or the end is not after the start.
    """
    start, slash, end = text.partition("/")
    if not slash:
        raise WindowUnusable(f"--window {text}: write START/END, as in {EXAMPLE}")
    window = Window(start=_time(start, zone), end=_time(end, zone))
    if window.end <= window.start:
        raise WindowUnusable(f"--window {text}: it ends before it begins")
    return window


def check_window(window: Window, *, now: datetime.datetime, minutes: int) -> None:
    """Check that what is left of a window is long enough. It may have begun already.

    Raises:
        WindowUnusable: it is over, or too short.
    """
    clock = now.astimezone(window.start.tzinfo).isoformat(timespec="seconds")
    if window.end <= now:
        raise WindowUnusable(
            f"the window ended {window.end.isoformat(timespec='seconds')}, which is past (now it "
            f"is {clock}); agree on a later one"
        )
    left = window.end - max(window.start, now)
    if left < datetime.timedelta(minutes=minutes):
        spent = f" left (now it is {clock})" if window.start < now else ""
        raise WindowUnusable(
            f"the window has {left.total_seconds() / 60:.0f} minutes{spent}; plan at least "
            f"{minutes}, for the change, the reboot, and the way back"
        )


def _time(text: str, zone: str | None) -> datetime.datetime:
    try:
        time = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise WindowUnusable(
            f"{text.strip()!r} is no time of ISO 8601; write for example {EXAMPLE}"
        ) from None
    if time.tzinfo is None and zone is not None:
        try:
            time = time.replace(tzinfo=ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise WindowUnusable(f"--zone {zone}: this machine knows no such time zone") from None
    if time.tzinfo is None:
        raise WindowUnusable(
            f"{text.strip()} has no zone; add its offset from UTC, as in {EXAMPLE}, or give --zone"
        )
    return time
