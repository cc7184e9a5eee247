import os
import time
from datetime import timedelta

from tasks.monitoring.reports import prune_reports


def test_old_reports_and_those_beyond_the_last_ones_are_deleted_and_the_newest_is_not(tmp_path):
    files = [tmp_path / f"drift-1.0.0-2013-03-{day:02}.html" for day in range(1, 7)]
    for age, file in enumerate(reversed(files)):
        file.write_text("a report")
        os.utime(file, times=(time.time() - age * 86400,) * 2)
    other = tmp_path / "ingest.html"
    other.write_text("somebody else's")

    assert prune_reports(tmp_path, kept=4, age_max=timedelta(days=30), newest=files[-1]) == 2
    assert prune_reports(tmp_path, kept=4, age_max=timedelta(days=1.5), newest=files[-1]) == 2
    assert prune_reports(tmp_path, kept=1, age_max=timedelta(seconds=0), newest=files[-1]) == 1
    assert sorted(tmp_path.iterdir()) == sorted([files[-1], other])
