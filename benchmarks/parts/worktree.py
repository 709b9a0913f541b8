"""A commit of this repository in a temporary folder."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.parts.services import REPOSITORY


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """The commit's files, during the block; if there is no such commit, the process ends."""
    git = ("git", "-C", str(REPOSITORY), "worktree")
    with tempfile.TemporaryDirectory(prefix="worktree-") as folder:
        root = Path(folder).resolve() / "tree"
        added = subprocess.run([*git, "add", "--quiet", "--detach", str(root), commit], check=False)
        if added.returncode:
            raise SystemExit(f"{commit} is not a commit of {REPOSITORY}")
        try:
            yield root
        finally:
            subprocess.run([*git, "remove", "--force", str(root)], check=False)
