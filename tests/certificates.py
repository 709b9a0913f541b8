"""Certificates that tests sign themselves, by openssl."""

import shutil
import subprocess
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def self_signed(path: Path, host: str) -> Path:
    """Write a fresh certificate of a host, its key in the same file; `.crt` has it alone."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    alone = path.with_suffix(".crt")
    files = ["-keyout", str(path), "-out", str(alone)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    path.write_text(path.read_text() + alone.read_text())
    return path
