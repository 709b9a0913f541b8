"""The rule: which of its concepts a model writes for a picture.

A concept is written if its probability reaches its threshold and the model's floor. A model for
pictures of one concept writes the most probable one at most. Everything that asks what is written
asks here: the promised precision was measured for this rule, and holds for no other.

numpy is loaded when the rule is applied, and not when it is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field

from common.vision.kinds import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WrittenConcepts = Literal["most probable", "each"]
"""Which concepts of a picture may be written, if they reach their thresholds."""

FLOOR = 0.5
"""The probability below which even the most probable concept is no answer."""

SEVERAL_FLOOR = 0.2
"""The same for a model of several concepts a picture."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What may be written: which concepts of a picture, and from which probability, 0 to 1.

    What a bundle does not say is as it was before bundles had a rule.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    concepts: WrittenConcepts = "each"
    floor: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0

    @classmethod
    def of(cls, kind: Kind, floor: float | None = None) -> "Rule":
        if kind == "multi":
            return cls(floor=SEVERAL_FLOOR if floor is None else floor)
        return cls(concepts="most probable", floor=FLOOR if floor is None else floor)

    def candidates(self, probabilities: "NDArray[np.float32]") -> "NDArray[np.bool_]":
        """The concepts (n, classes) that may be written, whatever their thresholds are.

        Of equally probable concepts the first one is the most probable.
        """
        import numpy as np

        allowed: NDArray[np.bool_] = probabilities >= np.float32(self.floor)
        if self.concepts == "most probable" and len(probabilities):
            best = np.zeros_like(allowed)
            np.put_along_axis(best, probabilities.argmax(axis=1)[:, np.newaxis], True, axis=1)
            allowed &= best
        return allowed

    def written(
        self,
        probabilities: "NDArray[np.float32]",
        thresholds: Mapping[str, float | None],
        concept_uris: Sequence[str],
    ) -> "NDArray[np.bool_]":
        """The concepts (n, classes) that are written; a concept without a threshold is off."""
        import numpy as np

        given = [thresholds[uri] for uri in concept_uris]
        lowest = np.array([np.inf if each is None else each for each in given], dtype=np.float32)
        reached: NDArray[np.bool_] = self.candidates(probabilities) & (probabilities >= lowest)
        return reached

    def __str__(self) -> str:
        if self.concepts == "each":
            also = f" and a probability of {self.floor:g}" if self.floor else ""
            return f"each concept that reaches its threshold{also} is written"
        return (
            "at most the most probable concept is written, if it reaches its threshold and a "
            f"probability of {self.floor:g}"
        )
