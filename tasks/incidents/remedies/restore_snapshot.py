"""Restore snapshot: the features return to their state before a bad batch, until a correction of it arrives."""

from healing.errors import UsageError
from healing.incident import AttemptOutcome, Remedy
from healing.verdict import Outcome, Verdict
from tasks.config.pipeline import load_pipeline
from tasks.incidents.remedy_action import AUTHOR, RemedyAction, RemedyContext
from tasks.incidents.remedy_result import RemedyResult

LOCK_SECONDS_MAX = 2.0  # an ingest that holds the lake may last; healing does not wait for it


class SnapshotRemedy(RemedyAction):
    """Restores the features that were computed from the incident's batch, in one commit."""

    remedy = Remedy.RESTORE_SNAPSHOT

    def apply(self, context: RemedyContext) -> RemedyResult:
        from tasks.ingestion.snapshots import restore_features  # imports the lake, which takes seconds
        from tasks.ingestion.stores import open_stores

        settings, batch = context.settings, context.incident.subject
        config = load_pipeline(context.incident.pipeline, settings.pipelines_dir)
        try:
            with open_stores(config, settings, seconds_max=LOCK_SECONDS_MAX) as stores:
                restored = restore_features(stores, batch, by=AUTHOR, why=context.reason)
        except UsageError as exc:  # the subject is no batch on record
            return RemedyResult(AttemptOutcome.FUTILE, str(exc))
        if restored is None:
            return RemedyResult(AttemptOutcome.FUTILE, f"no features were computed from {batch}")
        note = f"features of {restored.since} to {restored.until} are those of version {restored.version} again"
        return RemedyResult(AttemptOutcome.SUCCEEDED, note)

    def observe(self, context: RemedyContext) -> Verdict:
        """Read the lake: the newest commit of the batch's feature days is the restored snapshot."""
        from tasks.ingestion.snapshots import is_restored
        from tasks.ingestion.stores import open_stores

        config = load_pipeline(context.incident.pipeline, context.settings.pipelines_dir)
        with open_stores(config, context.settings, seconds_max=LOCK_SECONDS_MAX) as stores:
            restored = is_restored(stores, context.incident.subject)
        reason = "the features in the lake are those from before the batch"
        return Verdict("snapshot", Outcome.PASS if restored else Outcome.FAIL, reason, 1)


REMEDIES = (SnapshotRemedy(),)
