"""How many examples a property test tries: a number of its own, times twenty in the profile `long`."""

import os
from typing import Any

from hypothesis import settings

FACTOR = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 1


def examples(count: int, **options: Any) -> settings:
    """Settings for a property test whose examples cost much: `count` of them, more in the profile `long`."""
    return settings(max_examples=count * FACTOR, deadline=None, **options)
