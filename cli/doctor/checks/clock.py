"""Whether the clock of this machine is behind times that were recorded with it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from cli.doctor.examined import Examined, error
from cli.doctor.finding import Finding
from healer.heartbeat import heartbeat_file
from healing.errors import AutopilotError
from releases.log import ReleaseLog
from tasks.ledger import schema

NAME = "clock"
AHEAD_MAX = timedelta(seconds=10)  # clocks of two hosts that are kept by NTP differ by less


def find(examined: Examined) -> Iterator[Finding]:
    """A finding per record that lies in the future."""
    for subject, at in _recorded(examined):
        now = examined.now()
        if at > now + AHEAD_MAX:
            found = f"{at:%Y-%m-%d %H:%M:%S}Z, {(at - now).total_seconds():,.0f} s ahead of the clock"
            expected = f"no time after now, {now:%Y-%m-%d %H:%M:%S}Z"
            yield error(NAME, subject, expected, found, "timedatectl set-ntp true, then compare with `date -u`")


def _recorded(examined: Examined) -> Iterator[tuple[str, datetime]]:
    """The newest times in the release logs, of the heartbeats and in the ledger."""
    for pipeline in examined.pipelines:
        newest = _newest_release(examined, pipeline)
        if newest is not None:
            yield f"the newest release of {pipeline}", newest
        heartbeat = heartbeat_file(examined.settings.home, pipeline)
        if heartbeat.exists():
            yield f"the heartbeat of {pipeline}", datetime.fromtimestamp(heartbeat.stat().st_mtime, UTC)
    with examined.ledger() as connection:
        if connection is not None and sa.inspect(connection).has_table(schema.journal.name):
            newest = connection.execute(sa.select(sa.func.max(schema.journal.c.at_utc))).scalar()
            if newest is not None:
                yield "the newest entry of the ledger", newest


def _newest_release(examined: Examined, pipeline: str) -> datetime | None:
    """The time of the newest release that can be read; the check `release_log` reports the others."""
    try:
        release = ReleaseLog(examined.settings.release_root(pipeline)).current()
    except AutopilotError:
        return None
    return None if release is None else release.created_at
