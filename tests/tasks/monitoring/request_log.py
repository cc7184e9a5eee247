"""Answered requests in the lake's prediction log, one row per request, for checks of serving."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from deltalake import write_deltalake

BEGIN = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
HOURS = 30
NOW = BEGIN + timedelta(hours=HOURS, minutes=20)


def requests(seed=0, *, slow=1.0, failing=0.0, share=1.0, hours=HOURS, extra=()):
    """Sixty requests per hour; in the last three hours slower, failing or fewer requests."""
    generator = np.random.default_rng(seed)
    rows = []
    for hour in range(hours + 1):  # the last one is incomplete
        late = hour >= hours - 3
        for number in range(int(generator.poisson(60) * (share if late else 1.0))):
            rows.append(
                {
                    "epoch": "e",
                    "seq": len(rows),
                    "request_id": f"{hour}-{number}",
                    "row": 0,
                    "at": BEGIN + timedelta(hours=hour, seconds=30 * number),
                    "digest": "d",
                    "rung": "champion",
                    "prediction": 0.25,
                    "failed": "d" if late and generator.random() < failing else "",
                    "latency_ms": 10 * generator.lognormal(0, 0.3) * (slow if late else 1.0),
                }
            )
    return pd.DataFrame([*rows, *extra])


def log_requests(root, rows, table="predictions"):
    write_deltalake(root / table, rows.assign(at=rows["at"].astype("datetime64[us, UTC]")), mode="append")
