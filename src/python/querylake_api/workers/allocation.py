"""Disk space for files that are mapped into memory.

A file that was only made longer has holes: it takes disk space when a page is first touched. If the
disk is full then, the kernel cannot tell the program by an error, since a store into memory has
none; it kills it with SIGBUS. So a file is given all of its space before it is mapped.
"""

from __future__ import annotations

import os

_BLOCK = 512
"""The unit of `st_blocks`, whatever the file system's own blocks are; see stat(2)."""


def allocate(file: int, size: int) -> None:
    """Give an open file its length and all of its disk space; what it holds stays.

    Raises:
        OSError: `ENOSPC` or `EDQUOT`, and others of posix_fallocate(3).
    """
    found = os.fstat(file)
    if found.st_size > size:
        os.ftruncate(file, size)
    # Where the file system cannot allocate, the C library writes a zero into each block that reads
    # as zero, which could undo what another process is just storing. One that has its space
    # already is therefore left alone.
    if found.st_size < size or found.st_blocks * _BLOCK < size:
        os.posix_fallocate(file, 0, size)
