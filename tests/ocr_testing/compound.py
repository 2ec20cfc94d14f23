"""Compound files (MS-CFB), as far as a message needs them; no library in the lock writes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_SECTOR = 512
_SMALL = 4_096
"""Bytes below which a stream is kept elsewhere, which is avoided here by zeros at its end."""
_FREE, _END, _TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_STORAGE, _STREAM, _ROOT = 1, 2, 5

Tree = Mapping[str, "bytes | Tree"]


def compound(tree: Tree) -> bytes:
    """Return a file with streams, and storages of streams, by their names."""
    entries: list[list[object]] = [["Root Entry", _ROOT, _FREE, _FREE, _END, 0]]
    sectors: list[bytes] = []
    table: list[int] = []

    def add(folder: Tree) -> int:
        """Add a folder's entries, each the right sibling of the one before; return the first."""
        first, last = _FREE, None
        for name, content in sorted(folder.items(), key=lambda item: (len(item[0]), item[0])):
            place = len(entries)
            if isinstance(content, bytes):
                data = content.ljust(_SMALL, b"\0")
                count = -(-len(data) // _SECTOR)
                start = len(sectors)
                for number in range(count):
                    sectors.append(data[number * _SECTOR :][:_SECTOR].ljust(_SECTOR, b"\0"))
                    table.append(start + number + 1 if number + 1 < count else _END)
                entries.append([name, _STREAM, _FREE, _FREE, start, len(data)])
            else:
                entries.append([name, _STORAGE, _FREE, _FREE, 0, 0])
                entries[place][3] = add(content)
            if last is None:
                first = place
            else:
                entries[last][2] = place
            last = place
        return first

    entries[0][3] = add(tree)
    directory = b"".join(_entry(*entry) for entry in entries)  # type: ignore[arg-type]
    directory += bytes(-len(directory) % _SECTOR)
    first_of_directory = len(sectors)
    for number in range(len(directory) // _SECTOR):
        sectors.append(directory[number * _SECTOR :][:_SECTOR])
        table.append(len(sectors))
    table[-1] = _END
    tables = 1
    while tables * _SECTOR // 4 < len(table) + tables:
        tables += 1
    first_of_table = len(sectors)
    table += [_TABLE] * tables
    table += [_FREE] * (tables * _SECTOR // 4 - len(table))
    packed = struct.pack(f"<{len(table)}I", *table)
    places = [first_of_table + number for number in range(tables)]
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIII109I",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6,
        0, tables, first_of_directory, 0, _SMALL, _END, 0, _END, 0,
        *places, *[_FREE] * (109 - tables),
    )  # fmt: skip
    return header + b"".join(sectors) + packed


def _entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le")
    return struct.pack(
        "<64sHBBIII36xIQ", text, len(text) + 2, kind, 1, _FREE, right, child, start, size
    )
