"""MLflow's own OTLP receiver takes our spans: a collector that we did not write."""

import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi import FastAPI

from observability.span import Span, SpanKind
from observability.span_export import SpanExport
from observability.trace_context import TraceContext, new_span_id, new_trace_id

WAIT_SECONDS = 120.0


@contextmanager
def mlflow_receiver(tracking_uri, monkeypatch):
    """MLflow's route for OTLP over a store of its own; yields the address of the server and the store."""
    from mlflow.server import handlers
    from mlflow.server.otel_api import otel_router
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(tracking_uri, "artifacts")
    monkeypatch.setattr(handlers, "_tracking_store", store)
    app = FastAPI()
    app.include_router(otel_router)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", store
    finally:
        server.should_exit = True
        thread.join()
        store.engine.dispose()


@pytest.mark.filterwarnings("ignore")  # of MLflow and its database
def test_mlflow_stores_a_trace_that_we_send(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-mlflow-experiment-id=0")
    with mlflow_receiver(f"sqlite:///{tmp_path / 'mlflow.db'}", monkeypatch) as (address, store):
        export = SpanExport(address, {"service.name": "autopilot-gateway"}, seconds_max=WAIT_SECONDS)
        root = Span("POST /invocations", TraceContext(new_trace_id(), new_span_id()), export.add, kind=SpanKind.SERVER)
        with root.current():
            root.attributes["http.response.status_code"] = 200
            with root.child("route").current() as route:
                route.add_event("feature_flag.evaluation", {"feature_flag.result.variant": "1.0.0"})
        assert export.flush(WAIT_SECONDS)
        export.close(WAIT_SECONDS)
        assert (export.exported, export.failed, export.failing) == (2, 0, "")
        (info,), _ = store.search_traces(experiment_ids=["0"])
        (trace,) = store.batch_get_traces([info.trace_id])
    spans = {span.name: span for span in trace.data.spans}
    assert set(spans) == {"POST /invocations", "route"}
    assert spans["route"].parent_id == spans["POST /invocations"].span_id
    assert spans["POST /invocations"].attributes["http.response.status_code"] == 200
    assert [event.name for event in spans["route"].events] == ["feature_flag.evaluation"]
    assert root.context.trace_id_hex in info.trace_id
