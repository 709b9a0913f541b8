"""The plain form of a vocabulary: one JSON object that maps labels to concept URIs."""

import json
from pathlib import Path
from typing import Any

from common.errors import VocabularyError
from common.europeana.concept_uris import current_concept_uri, is_concept_uri
from common.vocabulary.concepts import Vocabulary, VocabularyConcept, with_categories


def plain_vocabulary(pairs: list[tuple[str, Any]]) -> Vocabulary:
    """The vocabulary of labels and concept URIs; of no label the language is known.

    Raises:
        VocabularyError: names the label and what is wrong with it.
    """
    label_of: dict[str, str] = {}
    for label, uri in pairs:
        if problem := label_problem(label) or uri_problem(uri):
            raise VocabularyError(f"label {label!r} {problem}.")
        current = current_concept_uri(uri)
        if current in label_of:
            raise VocabularyError(
                f"labels {label_of[current]!r} and {label!r} mean the same concept {current}; "
                "remove one of them."
            )
        if label in label_of.values():
            raise VocabularyError(f"label {label!r} is there twice; remove one of them.")
        label_of[current] = label
    return Vocabulary.of(
        with_categories(
            VocabularyConcept(uri=uri, category="", labels={"": label.strip()})
            for uri, label in label_of.items()
        )
    )


def plain_pairs(path: Path, text: str) -> list[tuple[str, Any]]:
    """Labels and their values, unchecked, in the order of the file.

    Raises:
        VocabularyError: the text is not one JSON object with a label.
    """
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except RecursionError as error:
        raise VocabularyError(f"{path} is nested too deeply to be a vocabulary.") from error
    except json.JSONDecodeError as error:
        raise VocabularyError(
            f"{path}, line {error.lineno}: not JSON ({error.msg}); "
            'expected one object such as {"map": "http://data.europeana.eu/concept/43"}.'
        ) from error
    except ValueError as error:  # a number of more digits than Python reads
        raise VocabularyError(f"{path} cannot be read: {error}.") from error
    is_object = isinstance(pairs, list) and all(isinstance(pair, tuple) for pair in pairs)
    if not is_object or not pairs:
        raise VocabularyError(f"{path} must contain one JSON object with at least one label.")
    return list(pairs)


def label_problem(label: str) -> str:
    """What is wrong with a label, or empty."""
    return "" if any(map(str.isalnum, label)) else "has neither a letter nor a digit"


def uri_problem(uri: Any) -> str:
    """What is wrong with the URI of a concept, or empty."""
    if isinstance(uri, str) and is_concept_uri(uri):
        return ""
    return f"needs a concept URI, not {as_written(uri)}"


def as_written(value: Any) -> str:
    """A value of the file, as JSON writes it; of a list or an object only what it is."""
    if isinstance(value, list):
        return "an object" if value and isinstance(value[0], tuple) else "a list or an object"
    return json.dumps(value, ensure_ascii=False)[:200]
