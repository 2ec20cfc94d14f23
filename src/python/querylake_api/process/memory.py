"""The memory of a process that is ready to serve: what is in it now stays for good."""

from __future__ import annotations

import ctypes
import gc
import mmap
import sys
from collections.abc import Iterator
from pathlib import Path

GARBAGE_THRESHOLDS = (10_000, 10, 10)
"""Objects made and not freed before a look at the youngest, and looks before one at the older."""

HUGE = 2 * 1024 * 1024
"""Bytes of a huge page, on x86-64 and, with pages of 4 KiB, on ARM."""

_COLLAPSE = 25
"""`MADV_COLLAPSE`, which Python does not name before 3.13; see madvise(2), Linux 6.1."""

_MAPS = Path("/proc/self/maps")
_POLICY = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def settle() -> None:
    """Prepare for requests: call it once all that is needed for them is loaded."""
    _spare_what_stays()
    if sys.platform == "linux":
        gather_on_huge_pages()


def _spare_what_stays() -> None:
    """Keep the garbage collector from what is there for good.

    Requests leave almost no garbage in cycles, and to look through all modules and routes for it
    again and again took a sixth of a busy process's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def gather_on_huge_pages() -> int:
    """Put the heap on huge pages where the system lets us, and return how many there are now.

    A request touches some thousand objects, which lie all over the heap. After a pause of a few
    milliseconds, such as between a stream's tokens, the processor has lost the translations of
    their pages, and finds each again by a walk through the page tables: on a virtual machine, where
    each step of it takes a walk of its own, that takes one to two microseconds for a page. Huge
    pages are some dozens instead of thousands.
    """
    if not _allowed():
        return 0
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    gathered = 0
    for start, end in _heap():
        # A kernel that cannot do it now may do it later, in its own time.
        madvise(start, end - start, mmap.MADV_HUGEPAGE)
        for page in range(-(-start // HUGE) * HUGE, end - HUGE + 1, HUGE):
            gathered += madvise(page, HUGE, _COLLAPSE) == 0
    return gathered


def _allowed() -> bool:
    """Whether the machine's operator lets programs ask for huge pages."""
    try:
        return "[never]" not in _POLICY.read_text()
    except OSError:
        return False  # a kernel without them


def _heap() -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of each range of memory that Python's objects may be in."""
    for line in _MAPS.read_text().splitlines():
        # The range, permissions, offset, device, inode and, unless it is anonymous, a name.
        fields = line.split()
        if fields[1] == "rw-p" and (len(fields) == 5 or fields[5] == "[heap]"):
            start, end = fields[0].split("-")
            yield int(start, 16), int(end, 16)
