"""Files are whole or absent."""

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import EnrichmentError
from common.files import replacing, write_atomically


def test_the_content_is_there_and_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "file.txt", "text")
    write_atomically(tmp_path / "new" / "file.txt", b"bytes")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.txt"]
    assert (tmp_path / "new" / "file.txt").read_bytes() == b"bytes"


def test_a_failure_half_way_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("former")
    with pytest.raises(ValueError, match="half way"):
        _fail_half_way(path)
    assert [each.name for each in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "former"


def _fail_half_way(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("hal")
        raise ValueError("half way")


@pytest.fixture
def _full_disk() -> Iterator[None]:
    """No file may grow beyond 1,000 bytes: writing fails as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.usefixtures("_full_disk")
def test_a_full_disk_is_a_message_and_leaves_no_part(tmp_path: Path) -> None:
    with pytest.raises(EnrichmentError, match=r"large\.bin cannot be written"):
        write_atomically(tmp_path / "large.bin", bytes(5000))
    assert list(tmp_path.iterdir()) == []
