"""Which pictures a job looks at, and whether the model was trained on such."""

from dataclasses import dataclass

from common.pictures.sources import Picture

_OTHER = {"thumbnail": ("media", "auto"), "media": ("thumbnail",)}


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What a job looks at, and what its model was trained on; None where the store is not told."""

    looks_at: str
    trained_on: str | None

    @property
    def differ(self) -> bool:
        """Whether the model may be less right than it was measured to be."""
        return self.looks_at in _OTHER.get(self.trained_on or "", ())


def usual_picture(priority: str) -> Picture:
    """What a job looks at unless it is told.

    Thumbnails for bulk jobs: they are large enough for every classifier, spare the museums and
    outlive dead links. The provider's file first for urgent ones.
    """
    return "thumbnail" if priority == "bulk" else "auto"
