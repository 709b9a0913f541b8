"""Faults on purpose, and their places: the text of a faults file and its Python form.

    {"hosts": {"*": [{"kind": "latency", "seconds": [0.05, 0.2]}],
               "media.lakeside.example": [{"kind": "status", "status": 503, "probability": 0.2}],
               "127.0.1.2": [{"kind": "status", "status": 429, "retry_after": 2, "first": 3}]},
     "items": {"/91001/map_000003": [{"kind": "truncated"}]},
     "api": [{"kind": "status", "status": 500, "first": 2}],
     "thumbnails": [{"kind": "drip", "bytes_per_second": 500}],
     "annotations": {"writes": [{"kind": "lost", "probability": 0.1}], "writes_a_second": 10,
                     "index_seconds": 2, "token_seconds": 60}}

Hosts are named as in the catalogue, by address, or `*` for all. Several faults can apply to one
request: all latencies add up, a drip slows down the answer, and of the others the first that is due
decides the answer.

kind            parameters            what happens
latency         seconds               waits before it answers: a number, or from and to
drip            bytes_per_second      sends this slowly
status          status, retry_after   answers with an error
truncated                             sends the first half as if it were the whole
html                                  sends a web page, with status 200
wrong_type                            sends the right bytes as text/plain
endless                               sends a picture that never ends
redirect        location              redirects there
redirect_loop                         redirects to itself for ever
gzip_bomb                             sends 256 MiB of zeros, packed by Content-Encoding: gzip
pixel_bomb                            sends a PNG of 30,000 x 30,000 pixels in 110 kB
reset                                 resets the connection after half the body
lost            status                does what was asked, and resets the connection before an
                                      answer, or answers with an error

With `probability`, a fault affects this share of the URLs, always the same ones. With `first`, it
affects only this number of requests for a path, the first ones. For the Annotation API and its Auth
Service, `probability` is a share of the requests, and `first` a number of requests of one method
(POST, PUT, DELETE).
"""

from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from common.errors import UsageError
from common.process.wrong_values import first_wrong

FaultKind = Literal[
    "latency", "drip", "status", "truncated", "html", "wrong_type", "endless", "redirect",
    "redirect_loop", "gzip_bomb", "pixel_bomb", "reset", "lost",
]  # fmt: skip
NEEDED = {
    "latency": {"seconds"},
    "drip": {"bytes_per_second"},
    "status": {"status"},
    "redirect": {"location"},
}
POSSIBLE = NEEDED | {"status": {"status", "retry_after"}, "lost": {"status"}}
Seconds = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Fault:
    """One fault; the module's text has the kinds and their parameters."""

    kind: FaultKind
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    first: Annotated[int, Field(ge=1)] | None = None
    seconds: Seconds | tuple[Seconds, Seconds] | None = None
    bytes_per_second: Annotated[int, Field(ge=1)] | None = None
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    retry_after: Annotated[int, Field(ge=0)] | None = None
    location: str | None = None

    def __post_init__(self) -> None:
        names = ("seconds", "bytes_per_second", "status", "retry_after", "location")
        given = {name for name in names if getattr(self, name) is not None}
        if missing := NEEDED.get(self.kind, set()) - given:
            raise ValueError(f"a fault of kind {self.kind} needs {', '.join(missing)}")
        if surplus := given - POSSIBLE.get(self.kind, set()):
            raise ValueError(f"a fault of kind {self.kind} cannot have {', '.join(surplus)}")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class AnnotationFaults:
    """What goes wrong with the Annotation API: its writing requests, its Auth Service, its pace.

    A new annotation is found by searches and by the check for duplicates after `index_seconds`.
    More than `writes_a_second` writing requests in any second are refused with 429.
    """

    writes: list[Fault] = field(default_factory=list)
    tokens: list[Fault] = field(default_factory=list)
    index_seconds: Seconds = 0
    token_seconds: Annotated[float, Field(gt=0)] = 300
    writes_a_second: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Faults:
    """All faults of a sandbox: of image hosts, of single items' files, of the APIs."""

    hosts: dict[str, list[Fault]] = field(default_factory=dict)
    items: dict[str, list[Fault]] = field(default_factory=dict)
    api: list[Fault] = field(default_factory=list)
    thumbnails: list[Fault] = field(default_factory=list)
    annotations: AnnotationFaults = field(default_factory=AnnotationFaults)


def read_faults(path: Path) -> Faults:
    """The faults in a JSON file.

    Raises:
        UsageError: the file cannot be read, or does not follow the module's text.
    """
    try:
        return TypeAdapter(Faults).validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {first_wrong(error)}.") from error


def with_latency(faults: Faults, seconds: float) -> Faults:
    """The same faults, and a latency for all answers."""
    latency = Fault("latency", seconds=seconds)
    return Faults(
        hosts=faults.hosts | {"*": [latency, *faults.hosts.get("*", [])]},
        items=faults.items,
        api=[latency, *faults.api],
        thumbnails=[latency, *faults.thumbnails],
        annotations=replace(
            faults.annotations,
            writes=[latency, *faults.annotations.writes],
            tokens=[latency, *faults.annotations.tokens],
        ),
    )
