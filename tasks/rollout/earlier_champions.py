"""Earlier champions opened from the release log, compared before a training, and recorded when one of them returns."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from healing.errors import ModelCorrupt, RegistryUnavailable
from healing.remedy import served_well
from releases.loader import LoadedModel, load
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from releases.store import ModelStore
from tasks.ledger.store import Ledger
from tasks.monitoring.returned_champion import RETURNING
from tasks.training.candidate import TrainingContext
from tasks.training.earlier_champions import EarlierChampion, compare_earlier
from tasks.training.fit import limit_threads
from tasks.training.mlflow_tracking import log_return
from tasks.training.plan import TrainingPlan

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EarlierChampions:
    """The earlier champions that were compared, and the one that returns; None if none does."""

    compared: tuple[EarlierChampion, ...] = ()
    returning: LoadedModel | None = None

    @property
    def reason(self) -> str:
        """Why the one that returns does so, for the release log."""
        found = next(each for each in self.compared if each.returns)
        return f"earlier champion {found.version} returns: {found.comparison.reason}"


def compare_earlier_champions(
    context: TrainingContext, plan: TrainingPlan, champion: LoadedModel | None
) -> EarlierChampions:
    """Compare the newest earlier champions with the champion, on the held-out rows of the plan."""
    count = context.pipeline.retrain.earlier_champions_max
    if champion is None or count == 0:
        return EarlierChampions()
    models = open_earlier_champions(context.release_root, context.keys.public, count)
    if not models:
        return EarlierChampions()
    recipe = context.pipeline.resolve(plan.estimator)()
    with limit_threads(plan.threads):
        found = compare_earlier(context.pipeline, plan, context.dataset(plan), champion, models, recipe)
    return EarlierChampions(found, next((models[each.digest] for each in found if each.returns), None))


def open_earlier_champions(release_root: ReleaseRoot, public_key: Path, count: int) -> Mapping[str, LoadedModel]:
    """The newest `count` champions before this one, by digest, of those that a promotion or a return replaced.

    Leaves out fenced models, models that a rollback replaced, and those whose files do not verify.
    """
    left = served_well(ReleaseLog(release_root).history())
    found: dict[str, LoadedModel] = {}
    for digest in sorted(left, key=lambda each: left[each], reverse=True):
        if len(found) == count:
            break
        try:
            found[digest] = load(ModelStore(release_root).fetch(digest), public_key)
        except ModelCorrupt as exc:
            log.warning("earlier_champion_left_out", digest=digest, cause=str(exc))
    return found


def record_returning(ledger_dsn: str, context: TrainingContext, plan: TrainingPlan, found: EarlierChampions) -> None:
    """Record in the ledger and in MLflow, before the trial, which champion returns and on which days it won.

    MLflow's record is for people, so a return does not fail without it.
    """
    model = found.returning
    assert model is not None  # the caller asks for a return
    days = {"accepted_from": plan.train_until + timedelta(days=1), "accepted_until": plan.until}
    detail = {name: day.isoformat() for name, day in days.items()}
    with Ledger(ledger_dsn) as ledger:
        entry = {"plan": plan.key, "version": model.manifest.version, "reason": found.reason, **detail}
        ledger.record_entry(plan.pipeline, RETURNING, model.digest, entry)
    try:
        document = {"compared": [asdict(each) for each in found.compared], **detail}
        log_return(context.registry, model.manifest, plan.until, document)
    except RegistryUnavailable as exc:
        log.warning("return_not_in_mlflow", version=model.manifest.version, cause=str(exc))


def returned_before(ledger_dsn: str, plan: TrainingPlan, champion: LoadedModel | None) -> bool:
    """Whether the champion returned by an earlier run of the same plan."""
    if champion is None:
        return False
    with Ledger(ledger_dsn) as ledger:
        entries = ledger.entries(plan.pipeline, RETURNING)
    return any((entry.subject, entry.detail["plan"]) == (champion.digest, plan.key) for entry in entries)
