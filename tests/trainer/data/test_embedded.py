"""Training data with embeddings."""

from pathlib import Path

import pytest

from tests.trainer.embeddings import HEADS, embedded_pictures
from trainer.data.embedded import embedded


def test_without_embeddings_it_says_of_what(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no embeddings of dataset museum by tiny"):
        embedded(embedded_pictures(tmp_path).data, HEADS)
