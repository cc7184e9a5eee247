"""The Prefect task that drains the gateway's log before a flow reads the lake."""

import structlog
from prefect import task
from prefect.cache_policies import NO_CACHE

from healing.errors import GatewayUnavailable
from tasks.lake.lake_root import LakeRoot
from tasks.serving.prediction_log import drain_predictions

log = structlog.get_logger(__name__)


@task(cache_policy=NO_CACHE, persist_result=False)
def drain_gateway_log(operate_url: str | None, lake_root: LakeRoot) -> int:
    """Drain the log and return the number of rows. Without a gateway, the flow goes on with what the lake has."""
    if operate_url is None:
        return 0
    try:
        return drain_predictions(operate_url, lake_root).rows
    except GatewayUnavailable as exc:
        log.warning("predictions_not_drained", cause=str(exc))
        return 0
