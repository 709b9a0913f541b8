"""Files are whole or absent."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from common.files import open_given, open_regular, read_regular, replacing, write_atomically


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


WITHOUT_ROOM = """
import resource, signal, sys
from pathlib import Path
from common.errors import EnrichmentError
from common.files import write_atomically

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), bytes(5000))
except EnrichmentError as error:
    print(error)
"""


def test_a_full_disk_is_a_message_and_leaves_no_part(tmp_path: Path) -> None:
    """In a process of its own: the limit on files would hold for the report of the tests too."""
    command = [sys.executable, "-c", WITHOUT_ROOM, str(tmp_path / "large.bin")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "large.bin cannot be written" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_regular_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular(path, at_most=5) == b"12345"
    with pytest.raises(OSError, match="5 bytes; at most 4 are allowed"):
        read_regular(path, at_most=4)


@pytest.mark.parametrize("open_", [open_regular, open_given])
def test_a_device_a_pipe_a_socket_and_a_folder_are_refused_without_waiting(
    tmp_path: Path, open_: Callable[[Path], BinaryIO]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "zero"):
        with pytest.raises(OSError, match="not a regular file"):
            open_(path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match="No such device"):
            open_(tmp_path / "s")


def test_what_a_shell_holds_open_is_read_though_it_is_a_pipe() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"12345")
    os.close(writing)
    with open_given(Path(f"/dev/fd/{reading}")) as stream:
        assert stream.read() == b"12345"
    os.close(reading)
