"""Numbers repeated rows, in constant memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType


# Half of the SHA-256: two of 10^12 clicks share it with a chance of one in 10^14.
DIGEST_BYTES = 16


class Ordinals:
    """Counts how often each digest occurred before, and knows the first row of each key.

    They are kept in SQLite's temporary database, which goes to disk as soon as it is larger than
    its cache of some megabytes, and which nothing can leave behind: its file has no name.
    """

    def __init__(self) -> None:
        """Start without digests."""
        self._database = sqlite3.connect("", isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -8192"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute(
            "CREATE TABLE met (digest BLOB PRIMARY KEY, earlier INTEGER NOT NULL) WITHOUT ROWID"
        )
        self._database.execute(
            "CREATE TABLE first (key BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID"
        )
        self._database.execute("BEGIN")
        self._cursor = self._database.cursor()

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Delete the temporary database."""
        with closing(self._database):
            self._cursor.close()

    def key(self, values: Iterable[bytes]) -> str:
        """A name for what these values make, and an ordinal among what is the same."""
        digest = digest_of(values)
        return f"{digest.hex()}-{self.earlier(digest)}"

    def overwrites(self, key: Iterable[bytes], row: Iterable[bytes]) -> bool:
        """Whether the first row of this key was another one."""
        digest = digest_of(row)
        first: tuple[bytes] = self._cursor.execute(
            "INSERT INTO first VALUES (?, ?) ON CONFLICT DO UPDATE SET row = row RETURNING row",
            (digest_of(key), digest),
        ).fetchone()
        return first[0] != digest

    def earlier(self, digest: bytes) -> int:
        """How often this digest occurred before; counts this occurrence."""
        row: tuple[int] = self._cursor.execute(
            "INSERT INTO met VALUES (?, 0) ON CONFLICT DO UPDATE SET earlier = earlier + 1 "
            "RETURNING earlier",
            (digest,),
        ).fetchone()
        return row[0]


def digest_of(values: Iterable[bytes]) -> bytes:
    """What stands for values that together identify something."""
    return sha256(b",".join(values)).digest()[:DIGEST_BYTES]
