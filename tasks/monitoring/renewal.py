"""Renewal by schedule: when the champion's data are old enough, the monitor asks for a retrain.

The age is counted in days of data, so replayed data renew as live data do. A drop of quality does not wait for it.
The cost of a retrain postpones it, as far as the last renewal gained less than that.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from healing.errors import ModelCorrupt
from healing.release import Reason
from healing.renewal import FreshnessGain, renewal_interval
from releases.loader import load
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.pipeline import Pipeline
from tasks.config.retrain_section import Retrain
from tasks.config.settings import Settings
from tasks.evaluation.clustered import DAYS_MIN
from tasks.evaluation.predictions import predictions_in
from tasks.lake.columns import BATCH_DAY, LABEL
from tasks.ledger.store import Ledger
from tasks.monitoring.checks.promotion import latest_promotion
from tasks.monitoring.monitored_model import REFERENCE_ROWS, MonitoredModel, monitored_model
from tasks.monitoring.returned_champion import as_accepted
from tasks.monitoring.windows import DayRange
from tasks.runtime.events import EventName, emit

if TYPE_CHECKING:
    import pandas as pd

RETRAIN_STARTED = "retrain.started"  # the journal entry of every retrain, with its last day as `until`
_SEED = 20130101


def renewal_due(settings: Settings, pipeline: Pipeline, model: MonitoredModel) -> bool:
    """Whether the champion's acceptance and the last retrain, however it ended, are as old as the schedule says."""
    if pipeline.retrain.every_days is None:
        return False
    with Ledger(settings.ledger_dsn) as ledger:
        started = ledger.entries(pipeline.name, RETRAIN_STARTED, limit=1)
    tried = max([model.accepted_until, *(date.fromisoformat(str(entry.detail["until"])) for entry in started)])
    return is_due(model, tried, pipeline.retrain, lambda: _predecessor(settings, pipeline, model))


def is_due(
    model: MonitoredModel, tried_until: date, rules: Retrain, predecessor: Callable[[], MonitoredModel | None]
) -> bool:
    """Whether a renewal by schedule is due at the end of day `model.until`.

    `tried_until` is the last day of the last retrain. `predecessor` opens the model that the champion replaced; it is
    called when `rules.cost` may postpone a renewal that is due without it.
    """
    if rules.every_days is None:
        return False
    age = (model.until - max(model.accepted_until, tried_until)).days
    if age < rules.every_days or rules.cost == 0:
        return age >= rules.every_days
    before = predecessor()
    gain = None if before is None else freshness_gain(model, before)
    return age >= renewal_interval(rules.every_days, rules.cost, gain)


def freshness_gain(champion: MonitoredModel, before: MonitoredModel) -> FreshnessGain | None:
    """What the champion gains over the model before by its newer data, on the labelled rows since its acceptance.

    None with fewer than `monitor.rows_min` rows or seven days. A sample of many rows stands for all.
    """
    served = DayRange(champion.accepted_until + timedelta(days=1), champion.until)
    rows = champion.with_labels(champion.features(served.since, served.until))
    labelled = rows[rows[LABEL].notna()]
    days = labelled[BATCH_DAY].nunique()
    if len(labelled) < champion.rules.rows_min or days < DAYS_MIN:
        return None
    sample = labelled
    if len(labelled) > REFERENCE_ROWS:
        sample = labelled.sample(REFERENCE_ROWS, random_state=_SEED).sort_index()
    gain = _mean_loss(champion, before, sample) - _mean_loss(champion, champion, sample)
    newer_days = (champion.accepted_until - before.accepted_until).days
    read = champion.sample_of(served)
    share = 1.0 if read is None else read.share
    return FreshnessGain(per_row=gain, newer_days=newer_days, rows_per_day=len(labelled) / share / days)


def ask_for_renewal(model: MonitoredModel) -> None:
    """Emit the event that starts `retrain`. If it is lost, the next monitor run emits it again."""
    payload = {"until": model.until.isoformat(), "version": model.champion.manifest.version}
    emit(EventName.RENEWAL_DUE, model.champion.manifest.pipeline, payload)


def _mean_loss(champion: MonitoredModel, model: MonitoredModel, rows: "pd.DataFrame") -> float:
    """The mean loss of `model`, measured by the champion's loss."""
    predicted = predictions_in(model.with_predictions(rows), champion.labels.classes)
    return float(champion.loss.of(predicted, rows[LABEL].to_numpy()).mean())


def _predecessor(settings: Settings, pipeline: Pipeline, model: MonitoredModel) -> MonitoredModel | None:
    """The model that the champion replaced, None if it was no promotion or its files are damaged or removed.

    None after a return, too: the champion's data are not newer, so the difference is no gain of newer data.
    """
    root = settings.release_root(pipeline.name)
    promotion = latest_promotion(ReleaseLog(root).history())
    if promotion is None or promotion.release.reason is Reason.RETURN:
        return None
    folder = ModelStore(root).fetch(promotion.previous.digest)
    try:
        before = load(folder, ensure_keys(settings.keys_dir).public)
    except ModelCorrupt:
        return None
    found = monitored_model(before, folder, pipeline, settings.lake_root(pipeline.name), model.until)
    return as_accepted(settings.ledger_dsn, found)
