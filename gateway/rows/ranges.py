"""The range of each numeric column in a model's training data, and which columns of a request are beyond it."""

from collections.abc import Sequence
from typing import Any

from releases.manifest import Manifest

_ROWS_MAX = 256  # of a request that are looked at: this is a hint, and a request may have 10,000 rows


class TrainingRanges:
    """The numeric columns of a manifest, with the least and the largest value that the model was trained on."""

    def __init__(self, manifest: Manifest) -> None:
        profiles = manifest.reference.numeric
        self._ranges = [
            (place, name, profiles[name].quantiles[0], profiles[name].quantiles[-1])
            for place, name in enumerate(manifest.input_schema.names)
            if name in profiles and len(profiles[name].quantiles) > 1
        ]

    def outside(self, rows: Sequence[Sequence[Any]]) -> tuple[str, ...]:
        """The columns with a value beyond their range, in the order of the schema; missing values are in every range.

        `rows` are bound to this manifest's schema; of many rows the first few hundred count.
        """
        if len(rows) == 1:
            (row,) = rows
            return tuple(
                [
                    name
                    for place, name, least, most in self._ranges
                    if (value := row[place]) is not None and not least <= value <= most
                ]
            )
        found, rows = [], rows[:_ROWS_MAX]
        for place, name, least, most in self._ranges:
            for row in rows:
                value = row[place]
                if value is not None and not least <= value <= most:
                    found.append(name)
                    break
        return tuple(found)
