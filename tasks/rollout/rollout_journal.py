"""What a rollout writes into the ledger's journal, so that its successor, a person and `heal` know how far it is."""

from collections.abc import Mapping
from enum import StrEnum

from tasks.ledger.records import JournalEntry
from tasks.ledger.store import Ledger


class Step(StrEnum):
    """The kinds of entries; the subject of each is the challenger's digest."""

    STAGE_STARTED = "rollout.stage_started"  # the gateway has taken the stage up
    STAGE_HELD = "rollout.stage_held"  # its deadline came without a decision
    STAGE_ENDED = "rollout.stage_ended"
    APPROVAL_ASKED = "rollout.approval_asked"
    APPROVAL_GIVEN = "rollout.approval_given"  # or refused


class RolloutJournal:
    """The entries about one challenger. Each call opens the ledger, for a rollout lasts longer than a connection."""

    def __init__(self, ledger_dsn: str, pipeline: str, digest: str) -> None:
        self._dsn = ledger_dsn
        self._pipeline = pipeline
        self._digest = digest

    def write(self, step: Step, detail: Mapping[str, object]) -> None:
        with Ledger(self._dsn) as ledger:
            ledger.record_entry(self._pipeline, step.value, self._digest, detail)

    def last(self, step: Step, having: Mapping[str, object]) -> JournalEntry | None:
        """The newest such entry whose detail has these values, None when there is none."""
        with Ledger(self._dsn) as ledger:
            entries = ledger.entries(self._pipeline, step.value)
        for entry in entries:
            if entry.subject == self._digest and having.items() <= entry.detail.items():
                return entry
        return None

    def write_once(
        self, step: Step, having: Mapping[str, object], detail: Mapping[str, object] | None = None
    ) -> JournalEntry:
        """The newest entry with these values; written now, with `detail` beside them, when there is none."""
        found = self.last(step, having)
        if found is None:
            self.write(step, {**(detail or {}), **having})
            found = self.last(step, having)
            assert found is not None  # the ledger reads its own writes
        return found
