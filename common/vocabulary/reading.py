"""Files with a vocabulary: SKOS in Turtle, RDF/XML or JSON-LD, or labels with concept URIs."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from common.errors import VocabularyError
from common.files import read_regular
from common.vocabulary.concepts import Vocabulary
from common.vocabulary.plain import plain_pairs, plain_vocabulary

MAX_BYTES = 64 << 20  # of a file; ten thousand concepts in three languages take six million
_TURTLE = (".ttl", ".nt", ".n3")
_LINKED = re.compile(r'"@(context|graph|id|type)"\s*:')  # only JSON-LD has keywords
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def read_vocabulary(
    path: Path, *, schemes: Collection[str] = (), exclude: Collection[str] = ()
) -> Vocabulary:
    """The vocabulary in a file, whose form its content says.

    Args:
        schemes: of SKOS only concepts in one of these concept schemes, by URI.
        exclude: URIs of concepts of SKOS that are left out, with all that is narrower.

    Raises:
        VocabularyError: names the file, and the line or the concept with what is wrong with it.
    """
    text = _text(path)
    form = _form(path, text)
    try:
        if form == "plain":
            return plain_vocabulary(plain_pairs(path, text))
        from common.vocabulary.skos import read_skos

        return read_skos(path, text, form, schemes=schemes, exclude=exclude)
    except VocabularyError as error:
        said = str(error)
        raise VocabularyError(said if said.startswith(str(path)) else f"{path}: {said}") from error


def read_plain_pairs(path: Path) -> list[tuple[str, Any]] | None:
    """Labels and their values, unchecked; None if the file is not in the plain form.

    Raises:
        VocabularyError: the file cannot be read, or has no label.
    """
    text = _text(path)
    return plain_pairs(path, text) if _form(path, text) == "plain" else None


def load_vocabulary(path: Path) -> dict[str, str]:
    """Concept URIs by category, in the order of the categories; see `read_vocabulary`."""
    return read_vocabulary(path).categories


def name_of(path: Path) -> str:
    """The name that a vocabulary in a file has where none is given.

    Raises:
        VocabularyError: the file's name has letters that no such name may have.
    """
    name = path.stem.replace(" ", "_")
    if not _NAME.fullmatch(name):
        raise VocabularyError(
            f"{path}: the name of a vocabulary has the letters a to z, digits, dots, dashes and "
            "underscores. Give another name: harvester vocabulary import FILE --name NAME"
        )
    return name


def _form(path: Path, text: str) -> Literal["plain", "turtle", "xml", "json-ld"]:
    """By the end of the file's name, else by how the text begins."""
    suffix = path.suffix.lower()
    if suffix in (".json", ".jsonld") or (suffix not in _TURTLE and text.startswith(("{", "["))):
        return "json-ld" if _LINKED.search(text) else "plain"
    is_xml = suffix not in _TURTLE and text.startswith("<") and not text.startswith("<http")
    return "xml" if is_xml else "turtle"


def _text(path: Path) -> str:
    try:
        return read_regular(path, at_most=MAX_BYTES).decode("utf-8-sig").strip()
    except FileNotFoundError as error:
        raise VocabularyError(f"There is no vocabulary file {path}.") from error
    except OSError as error:
        raise VocabularyError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path} cannot be read: {error}.") from error
