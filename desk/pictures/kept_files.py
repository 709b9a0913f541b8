"""A cache of files. When it is full, it removes the files that were not used for longest."""

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

from common.files import write_atomically

_ROOM = 0.8  # a full cache is reduced to this share of the limit


class KeptFiles:
    """Files in a folder, by keys of any form. Several processes may share the folder."""

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._written = most_bytes  # so that the first write checks the size of the folder
        self._lock = Lock()

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)  # note the use
        except OSError:
            return None
        return content

    def put(self, key: str, content: bytes) -> None:
        """Save a content.

        Raises:
            EnrichmentError: the disk is full or cannot be written.
        """
        write_atomically(self._path(key), content)
        with self._lock:
            self._written += len(content)
            is_time = self._written > self._most // 20
            if is_time:
                self._written = 0
        if is_time:
            self._make_room()

    def _path(self, key: str) -> Path:
        """The path of a key. The name is a hash, so no part of it comes from outside."""
        digest = sha256(key.encode(errors="replace")).hexdigest()
        return self._folder / digest[:2] / digest

    def _make_room(self) -> None:
        found = []
        for path in self._folder.glob("??/*"):
            with suppress(OSError):  # another process removed it
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in found)
        if total <= self._most:
            return
        for _, size, path in sorted(found):
            with suppress(OSError):
                path.unlink()
            total -= size
            if total <= _ROOM * self._most:
                return
