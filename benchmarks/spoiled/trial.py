"""Trials of one spoiled batch, ingested by the functions that the flow calls, with real stores.

The outcome is read from where a person would look: the lake, the ledger, its incidents, the notes in quarantine.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.spoiled.fault import DataFault, FaultCase
from benchmarks.spoiled.source_year import SourceYear
from benchmarks.spoiled.stores import stores_at, write
from healing.errors import SourceUnavailable
from healing.incident import AttemptOutcome, Incident, Remedy
from tasks.config.pipeline import Pipeline
from tasks.ingestion.ingest_table import ingest_table
from tasks.ingestion.quarantine import read_notes
from tasks.ingestion.sources import Lookup, open_sources
from tasks.ingestion.stores import Stores
from tasks.lake.columns import BATCH_DAY
from tasks.lake.lake_table import LakeTable
from tasks.ledger.records import BatchRecord, BatchStatus

HISTORY_DAYS = 35  # as many as the contract compares with


@dataclass(frozen=True)
class TrialOutcome:
    """The outcome for one batch: `wrong` rows are in the lake with a wrong value, `lost` rows are good and missing."""

    verdict: str
    checks: tuple[str, ...]
    causes: tuple[str, ...]
    remedies: tuple[str, ...]
    received: int
    wrong: int
    lost: int

    @property
    def detected(self) -> bool:
        """Whether ledger or quarantine show that something was wrong."""
        return bool(self.checks or self.causes)


class FaultTrials:
    """Trials on one day: a lake with the weeks before, and a folder for each source."""

    def __init__(self, pipeline: Pipeline, year: SourceYear, day: date, scratch: Path) -> None:
        self._pipeline, self._year, self._day = pipeline, year, day
        self._scratch = scratch
        self._clean: dict[str, pd.DataFrame] = {}
        self._before = scratch / f"before-{day}"
        for table in pipeline.tables:
            self._prepare(table)

    def run(self, fault: DataFault, dose: float, seed: int, *, mirror: bool) -> TrialOutcome:
        """Ingest the spoiled batch; with `mirror`, a second source has the clean one."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            place = Path(folder)
            shutil.copytree(self._before, place / "lake")
            case = FaultCase(self._year, fault.table, self._day, dose, np.random.default_rng(seed))
            self._deliver(place, fault, case, mirror)
            with stores_at(
                self._pipeline, place, ["primary", "mirror"] if mirror else ["primary"], fault.format
            ) as stores:
                self._ingest(stores, place, fault)
                return self._outcome(stores, fault)

    def _prepare(self, table: str) -> None:
        """Ingest the weeks before as they are."""
        days = [self._day - timedelta(days=back) for back in range(HISTORY_DAYS, 0, -1)]
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            place = Path(folder)
            for day in days:
                write(place / "primary" / table / f"{day}.csv", self._year.content(table, day))
            with (
                stores_at(self._pipeline, place, ["primary"], lake=self._before) as stores,
                open_sources(stores.pipeline, Lookup(), place) as chain,
            ):
                ingest_table(stores, chain, table, [day for day in days if day >= self._year.days[0]])

    def _deliver(self, place: Path, fault: DataFault, case: FaultCase, mirror: bool) -> None:
        name = f"{fault.table}/{self._day}.{fault.format}"
        write(place / "primary" / name, fault.spoil(case))
        following = self._day + timedelta(days=1)
        write(place / f"primary/{fault.table}/{following}.csv", self._year.content(fault.table, following))
        if mirror:
            rows = self._year.rows(fault.table, self._day)
            clean = rows.to_json(orient="records").encode() if fault.format == "json" else None
            write(place / "mirror" / name, clean or self._year.content(fault.table, self._day))

    def _ingest(self, stores: Stores, place: Path, fault: DataFault) -> None:
        days = [self._day + timedelta(days=1)] if fault.ahead else []
        for day in [*days, *[self._day] * fault.again]:
            with open_sources(stores.pipeline, Lookup(), place) as chain:
                try:
                    ingest_table(stores, chain, fault.table, [day])
                except SourceUnavailable:  # it is recorded as an incident
                    continue

    def _outcome(self, stores: Stores, fault: DataFault) -> TrialOutcome:
        batch = f"{fault.table}/{self._day}"
        record = stores.ledger.batch(stores.pipeline.name, batch)
        incidents = stores.ledger.incidents(stores.pipeline.name)
        note = next((each for each in read_notes(stores.quarantine_root) if each.batch_id == batch), None)
        wrong, lost = self._compare(stores, fault.table)
        return TrialOutcome(
            verdict="refused" if record is None else record.status.value,
            checks=tuple(_checks(record, dict(note.reasons) if note is not None else {}, incidents)),
            causes=tuple(dict.fromkeys(incident.cause.value for incident in reversed(incidents))),
            remedies=tuple(dict.fromkeys(_remedies(incidents, record))),
            received=0 if record is None else record.received,
            wrong=wrong,
            lost=lost,
        )

    def _compare(self, stores: Stores, table: str) -> tuple[int, int]:
        """Number of rows in the lake that differ from the clean batch, and of its rows that are not in the lake."""
        rules = self._pipeline.tables[table]
        stored = LakeTable(stores.lake_root, table, rules.key).read(since=self._day, until=self._day)
        clean = self._clean_rows(table)
        key = list(rules.key)
        names = [name for name in stored.columns if name != BATCH_DAY]
        both = stored[names].merge(clean[names], on=key, how="outer", indicator=True, suffixes=("", " clean"))
        there = both[both["_merge"] == "both"]
        differs = pd.Series(False, index=there.index)
        for name in names:
            if name in key:
                continue
            found, right = there[name], there[f"{name} clean"]
            same = (found == right) | (found.isna() & right.isna())
            if rules.columns[name] == "double":
                same |= (found - right).abs() <= 1e-6 * right.abs()  # a unit converted back and forth
            differs |= ~same
        return int(differs.sum() + (both["_merge"] == "left_only").sum()), int((both["_merge"] == "right_only").sum())

    def _clean_rows(self, table: str) -> pd.DataFrame:
        from tasks.ingestion.sources import Batch
        from tasks.ingestion.validate import validate_batches

        if table not in self._clean:
            text = pa.Table.from_pandas(self._year.rows(table, self._day), preserve_index=False)
            batch = Batch(table, self._day, "clean", b"", text)
            [validated] = validate_batches(self._pipeline, table, [batch])
            self._clean[table] = validated.good.to_pandas()
        return self._clean[table]


def _checks(record: BatchRecord | None, reasons: dict[str, int], incidents: Sequence[Incident]) -> Iterator[str]:
    """What was found, the decisive check first: of the document, of the batch, then of rows."""
    if record is None:  # the document was refused
        yield from (
            "document: " + each.summary.partition("found ")[2].partition("; it begins")[0] for each in incidents
        )
        return
    if record.status is BatchStatus.REJECTED or not reasons:
        yield from (incident.summary for incident in incidents)
    yield from (reason for reason, _ in Counter(reasons).most_common(2))
    yield from record.repairs
    if record.duplicates:
        yield "duplicates dropped"


def _remedies(incidents: Sequence[Incident], record: BatchRecord | None) -> Iterator[str]:
    if record is None:
        yield "kept, escalated"
        return
    for incident in incidents:
        for attempt in incident.attempts:
            if attempt.outcome is AttemptOutcome.SUCCEEDED:
                yield attempt.remedy.value
    if record.repairs:
        yield Remedy.REPAIR_BATCH.value
    elif record.quarantined and record.status is not BatchStatus.REJECTED:
        yield "rows quarantined"
    elif record.duplicates:
        yield "duplicates dropped"
