"""Data files of users: orders whose labels a model can predict, in the format that a test needs."""

from pathlib import Path

import numpy as np
import pandas as pd

DAYS = 40
ROWS_PER_DAY = 30


def orders(days: int = DAYS, rows_per_day: int = ROWS_PER_DAY, seed: int = 0) -> pd.DataFrame:
    """`id`, `at`, `amount`, `channel`, `returned` (0 or 1) and `cost`, which both follow amount and channel."""
    generator = np.random.default_rng(seed)
    count = days * rows_per_day
    minutes = np.sort(generator.choice(days * 1440, count, replace=False))
    amount = generator.lognormal(3, 0.8, count).round(2)
    channel = generator.choice(["web", "shop", "phone"], count)
    score = 2 * (np.log(amount) - 3) + (channel == "phone") * 1.5 - 0.5
    return pd.DataFrame(
        {
            "id": [f"A{number:05}" for number in range(count)],
            "at": (pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, unit="min")).strftime("%Y-%m-%d %H:%M"),
            "amount": amount,
            "channel": channel,
            "returned": (generator.random(count) < 1 / (1 + np.exp(-score))).astype(int),
            "cost": (10 + 3 * score + generator.normal(0, 2, count)).round(2),
        }
    )


def classified(**columns: object) -> pd.DataFrame:
    """Orders without the cost, which reveals the class; `columns` replaces columns or adds further ones."""
    return orders().drop(columns="cost").assign(**columns)


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write the frame in the format of the file name: .csv, .csv.gz or .parquet."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path
