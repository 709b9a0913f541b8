"""The vocabulary: the labels that a classifier learns and the concept each stands for.

A vocabulary file is one JSON object that maps labels to concept URIs. Europeana dropped the
`/base/` of its concept URIs in 2022; files of before are accepted and brought to today's form.
"""

import json
import re
from pathlib import Path
from typing import Any

from common.errors import VocabularyError
from common.files import read_regular

MAX_BYTES = 16 << 20  # of a file; ten thousand labels take one million
_LABEL = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_EUROPEANA_URI = re.compile(r"^https?://data\.europeana\.eu/(?P<kind>[a-z]+)/(?:base/)*")
_IN_URI = r"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff\"<>\\^`{|}]"
_URI = re.compile(rf"https?://{_IN_URI}+\.{_IN_URI}+")


def current_concept_uri(uri: str) -> str:
    """The current form of a concept URI: http, and no `/base/` in Europeana's own."""
    return _EUROPEANA_URI.sub(r"http://data.europeana.eu/\g<kind>/", uri.strip(), count=1)


def concept_uri_forms(uri: str) -> tuple[str, ...]:
    """The forms of a concept URI that records may hold: the current one, then that before 2022."""
    current = current_concept_uri(uri)
    former = _EUROPEANA_URI.sub(r"http://data.europeana.eu/\g<kind>/base/", current, count=1)
    return tuple(dict.fromkeys((current, former)))


def load_vocabulary(path: Path) -> dict[str, str]:
    """Read a vocabulary file: label to current concept URI, in the order of the labels.

    Raises:
        VocabularyError: names the file, the label and what is wrong with it.
    """
    label_of: dict[str, str] = {}
    for label, uri in read_pairs(path):
        if problem := label_problem(label) or uri_problem(uri):
            raise VocabularyError(f"{path}: label {label!r} {problem}.")
        current = current_concept_uri(uri)
        if current in label_of:
            raise VocabularyError(
                f"{path}: labels {label_of[current]!r} and {label!r} stand for the same "
                f"concept {current}; keep one."
            )
        if label in label_of.values():
            raise VocabularyError(f"{path}: label {label!r} stands there twice; keep one.")
        label_of[current] = label
    return dict(sorted((label, uri) for uri, label in label_of.items()))


def read_pairs(path: Path) -> list[tuple[str, Any]]:
    """Labels and their values, unchecked, in the order of the file.

    Raises:
        VocabularyError: the file cannot be read, or is not one JSON object with a label.
    """
    try:
        text = read_regular(path, at_most=MAX_BYTES).decode()
        pairs = json.loads(text, object_pairs_hook=list)
    except FileNotFoundError as error:
        raise VocabularyError(f"There is no vocabulary file {path}.") from error
    except RecursionError as error:
        raise VocabularyError(f"{path} is nested too deeply to be a vocabulary.") from error
    except OSError as error:
        raise VocabularyError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path} cannot be read: {error}.") from error
    except json.JSONDecodeError as error:
        raise VocabularyError(
            f"{path}, line {error.lineno}: not JSON ({error.msg}); "
            'expected one object such as {"map": "http://data.europeana.eu/concept/43"}.'
        ) from error
    except ValueError as error:  # a number of more digits than Python reads
        raise VocabularyError(f"{path} cannot be read: {error}.") from error
    is_object = isinstance(pairs, list) and all(isinstance(pair, tuple) for pair in pairs)
    if not is_object or not pairs:
        raise VocabularyError(f"{path} must hold one JSON object with at least one label.")
    return list(pairs)


def label_problem(label: str) -> str:
    """What is wrong with a label, or empty."""
    if _LABEL.fullmatch(label):
        return ""
    return "must be lower-case letters, digits and single underscores, since it names folders"


def uri_problem(uri: Any) -> str:
    if isinstance(uri, str) and _URI.fullmatch(uri.strip()):
        return ""
    return f"needs a concept URI, not {as_written(uri)}"


def as_written(value: Any) -> str:
    """A value of the file, as JSON writes it; of a list or an object only what it is."""
    if isinstance(value, list):
        return "an object" if value and isinstance(value[0], tuple) else "a list or an object"
    return json.dumps(value, ensure_ascii=False)[:200]
