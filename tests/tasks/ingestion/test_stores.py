"""Prefect passes the stores to a task without searching them."""

from pathlib import Path

from prefect.utilities.collections import visit_collection

from tasks.config.pipeline import load_pipeline
from tasks.ingestion.stores import Stores
from tasks.ledger.store import Ledger


def test_prefect_does_not_search_the_stores_for_futures(tmp_path):
    """Prefect visits every value of a task's arguments several times per call; a year of batches has millions."""
    visited = []
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        pipeline = load_pipeline("flights", Path("pipelines"))
        stores = Stores(pipeline, tmp_path, tmp_path, ledger, lambda *_: None, lambda *_: None)
        visit_collection({"stores": stores}, visit_fn=visited.append, return_data=False)
    assert [type(each) for each in visited] in ([dict, str, Stores], [str, Stores], [dict, Stores], [Stores])
