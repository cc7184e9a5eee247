"""Days of random rows with one numeric and one categorical column."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

KINDS = {"x": "numeric", "kind": "category"}


def rows(days, *, shift=0.0, seed=0, per_day=100):
    generator = np.random.default_rng(seed)
    count = days * per_day
    return pd.DataFrame(
        {
            "event_day": np.repeat([date(2013, 1, 1) + timedelta(days=d) for d in range(days)], per_day),
            "x": generator.normal(size=count) + shift,
            "kind": generator.choice(["a", "b", "c"], count),
        }
    )
