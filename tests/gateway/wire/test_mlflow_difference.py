"""The gateway and MLflow's scoring server get the same bodies: each difference is in a table of docs/gateway.md."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from releases.manifest import Column, Golden, InputSchema, Manifest, ReferenceProfile
from releases.store import ModelStore
from tests.echo_model import TYPE, EchoRegressor
from tests.gateway.running import WAIT_SECONDS, run_gateway, wait_until
from tests.published import BASELINE, NOW, PIPELINE, bootstrap

pytestmark = pytest.mark.timeout(300)
DOCS = Path(__file__).parents[3] / "docs" / "gateway.md"
SCHEMA = InputSchema(
    numbers="declared",
    columns=(
        Column(name="carrier", type="string"),
        Column(name="distance", type="double"),
        Column(name="hour", type="long", nullable=False),
        Column(name="stops", type="long"),
        Column(name="seats", type="integer", nullable=False),
        Column(name="weight", type="float"),
        Column(name="cargo", type="boolean", nullable=False),
        Column(name="at", type="datetime"),
    ),
)
ROW = {
    "carrier": "AA",
    "distance": 1.5,
    "hour": 7,
    "stops": 2,
    "seats": 120,
    "weight": 0.1,
    "cargo": True,
    "at": "2013-01-02T03:04:05",
}
OTHER = ROW | {"carrier": "UA", "distance": 2.25, "hour": 8, "cargo": False}
JSON, CSV = "application/json", "text/csv"


def split(*rows: dict[str, Any]) -> bytes:
    """A dataframe_split body; NaN is written as Python's JSON writes it."""
    data = [[row[name] for name in rows[0]] for row in rows]
    return json.dumps({"dataframe_split": {"columns": list(rows[0]), "data": data}}).encode()


def records(*rows: dict[str, Any], **beside: Any) -> bytes:
    return json.dumps({"dataframe_records": rows, **beside}).encode()


def with_values(**values: Any) -> bytes:
    return split(OTHER, ROW | values)


def without(name: str) -> bytes:
    return split({key: value for key, value in ROW.items() if key != name})


def csv(*rows: dict[str, Any]) -> bytes:
    """A CSV body whose values are written as they are given, without quotes and without the time."""
    names = [name for name in ROW if name != "at"]
    return "\n".join([",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]).encode() + b"\n"


def csv_with_time(text: str) -> bytes:
    header, row = csv(ROW).decode().split()
    return f"{header},at\n{row},{text}\n".encode()


NAN = float("nan")
LARGE = 2**53 + 1
BODIES: dict[str, tuple[str, bytes]] = {
    "`dataframe_split`": (JSON, split(ROW, OTHER)),
    "`dataframe_records`": (JSON, records(ROW, OTHER)),
    "`instances`": (JSON, json.dumps({"instances": [ROW, OTHER]}).encode()),
    "`inputs`": (JSON, json.dumps({"inputs": {name: [ROW[name], OTHER[name]] for name in ROW}}).encode()),
    "`inputs` as records": (JSON, json.dumps({"inputs": [ROW, OTHER]}).encode()),
    "CSV": (CSV, csv(ROW, OTHER)),
    "other order of columns": (JSON, split(dict(reversed(ROW.items())))),
    "extra column": (JSON, split(ROW | {"colour": "red"})),
    "extra column in CSV": (CSV, b"colour," + csv(ROW).replace(b"\n", b"\nred,", 1)),
    "absent optional column": (JSON, without("distance")),
    "absent required column": (JSON, without("hour")),
    "records with different fields": (JSON, records(ROW, {k: v for k, v in OTHER.items() if k != "distance"})),
    "records of which one lacks a required field": (JSON, records(ROW, {k: v for k, v in ROW.items() if k != "hour"})),
    "row that is too short": (JSON, split(ROW).replace(b'"2013-01-02T03:04:05"', b"").replace(b", ]", b"]")),
    "row of CSV that is too short": (CSV, csv(ROW, OTHER).replace(b",True", b"")),
    "`params`": (JSON, records(ROW, params={"temperature": 1})),
    "`params` that are no object": (JSON, records(ROW, params=[1])),
    "field beside the rows": (JSON, records(ROW, client_request_id="mine")),
    "whole number 3.0 for long": (JSON, with_values(hour=3.0)),
    "whole number 3.0 for long in CSV": (CSV, csv(ROW | {"hour": "3.0"})),
    "whole number 3.0 for integer": (JSON, with_values(seats=3.0)),
    "7.5 for long": (JSON, with_values(hour=7.5)),
    "7.5 for long in CSV": (CSV, csv(ROW | {"hour": "7.5"})),
    "integer for double": (JSON, with_values(distance=3)),
    "0.1 for float": (JSON, with_values(weight=0.1)),
    "number beyond float": (JSON, with_values(weight=1e300)),
    "number beyond integer": (JSON, with_values(seats=2**31)),
    "number beyond long": (JSON, with_values(hour=2**63)),
    "2^53 + 1 for long": (JSON, with_values(hour=LARGE)),
    "2^53 + 1 for long in CSV": (CSV, csv(ROW | {"hour": LARGE})),
    "2^53 + 1 for optional long": (JSON, split(ROW | {"stops": LARGE})),
    "null for optional long": (JSON, with_values(stops=None)),
    "null for double": (JSON, with_values(distance=None)),
    "null for string": (JSON, with_values(carrier=None)),
    "null for datetime": (JSON, with_values(at=None)),
    "null for required long": (JSON, with_values(hour=None)),
    "`NaN` for double": (JSON, with_values(distance=NAN)),
    "`NaN` for optional long": (JSON, with_values(stops=NAN)),
    "`NaN` for required long": (JSON, with_values(hour=NAN)),
    "`NaN` for string": (JSON, with_values(carrier=NAN)),
    "`Infinity`": (JSON, with_values(distance=float("inf"))),
    "empty double in CSV": (CSV, csv(ROW | {"distance": ""})),
    "`NaN` for double in CSV": (CSV, csv(ROW | {"distance": "NaN"})),
    "`NA` for double in CSV": (CSV, csv(ROW | {"distance": "NA"})),
    "empty optional long in CSV": (CSV, csv(ROW, ROW | {"stops": ""})),
    "empty string in CSV": (CSV, csv(ROW | {"carrier": ""})),
    "`NA` for string in CSV": (CSV, csv(ROW | {"carrier": "NA"})),
    "empty datetime in CSV": (CSV, csv_with_time("")),
    "string that looks like a number": (JSON, with_values(carrier="007")),
    "string that looks like a number in CSV": (CSV, csv(ROW | {"carrier": "007"})),
    "string that looks like a date": (JSON, with_values(carrier="2013-01-02")),
    "string that looks like a date in records": (JSON, records(ROW | {"carrier": "2013-01-02"})),
    "string that looks like a date in CSV": (CSV, csv(ROW | {"carrier": "2013-01-02"})),
    "string that looks like a boolean": (JSON, with_values(carrier="true")),
    "empty string": (JSON, with_values(carrier="")),
    "number for string": (JSON, with_values(carrier=7)),
    "number in quotes for double": (JSON, with_values(distance="1.5")),
    "text for double": (JSON, with_values(distance="far")),
    "boolean for long": (JSON, with_values(hour=True)),
    "1 for boolean": (JSON, with_values(cargo=1)),
    "text for boolean": (JSON, with_values(cargo="true")),
    "`true` for boolean in CSV": (CSV, csv(ROW | {"cargo": "true"})),
    "date for datetime": (JSON, split(ROW | {"at": "2013-01-02"})),
    "time with a space": (JSON, split(ROW | {"at": "2013-01-02 03:04:05"})),
    "time with microseconds": (JSON, split(ROW | {"at": "2013-01-02T03:04:05.123456"})),
    "time in UTC": (JSON, split(ROW | {"at": "2013-01-02T03:04:05Z"})),
    "time with an offset": (JSON, split(ROW | {"at": "2013-01-02T03:04:05+02:00"})),
    "milliseconds for datetime": (JSON, split(ROW | {"at": 1357095845000})),
    "text for datetime": (JSON, split(ROW | {"at": "yesterday"})),
    "datetime in CSV": (CSV, csv_with_time("2013-01-02 03:04:05")),
    "list for string": (JSON, with_values(carrier=["AA"])),
    "times in two forms": (JSON, with_values(at="2013-01-02 03:04:05")),
    "no rows": (JSON, json.dumps({"dataframe_split": {"columns": list(ROW), "data": []}}).encode()),
    "two formats": (JSON, json.dumps({"instances": [ROW], "inputs": [ROW]}).encode()),
    "rows without names": (JSON, json.dumps({"instances": [list(ROW.values())]}).encode()),
    "no JSON": (JSON, b"{"),
}


def publish_echo_model(root, keys):
    """Publish the model, with the schema's declared dtypes."""
    from skops import io

    from releases.model_inputs import frame_of

    model = EchoRegressor(list(SCHEMA.names)).fit(None, None)
    rows = (tuple(ROW.values()),)
    manifest = Manifest(
        pipeline=PIPELINE,
        version="1.0.0",
        created_at=NOW,
        files={},
        trained_from="2013-01-01",
        trained_until="2013-03-01",
        code_revision="test",
        requirements_sha256="0" * 64,
        input_schema=SCHEMA,
        reference=ReferenceProfile(rows=1),
        golden=Golden(
            columns=SCHEMA.names,
            rows=rows,
            outputs=tuple(map(float, model.predict(frame_of(SCHEMA, SCHEMA.names, rows)))),
        ),
        baseline=BASELINE,
        training_seconds=0.1,
    )
    return ModelStore(root).publish({"model.skops": io.dumps(model)}, manifest, keys)


@pytest.fixture(scope="module")
def servers(tmp_path_factory, keys):
    """Clients of MLflow's scoring server and of a gateway, with the same model."""
    home = tmp_path_factory.mktemp("difference")
    (home / "schema.json").write_text(SCHEMA.model_dump_json())
    with (home / "mlflow.log").open("w") as log:
        command = [sys.executable, "-m", "tests.gateway.mlflow_server", str(home)]
        environment = os.environ | {"PYTHONPATH": str(DOCS.parents[1])}
        mlflow = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        bootstrap(home / "releases", publish_echo_model(home / "releases", keys))
        with run_gateway(home / "releases", keys, home / "gateway", "--trusted-types", TYPE) as gateway:
            gateway.wait_for_generation(1)
            wait_until(lambda: (home / "port").exists() or mlflow.poll() is not None, "MLflow has a port")
            assert (home / "port").exists(), (home / "mlflow.log").read_text()
            address = f"http://127.0.0.1:{(home / 'port').read_text()}"
            with httpx.Client(base_url=address, timeout=WAIT_SECONDS) as client:
                wait_until(lambda: is_ready(client) or mlflow.poll() is not None, "MLflow serves")
                yield client, gateway.predict
    finally:
        mlflow.kill()
        mlflow.wait(WAIT_SECONDS)


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False


def outcome(client: httpx.Client, content_type: str, body: bytes) -> list[float] | None:
    """The predictions, or None where the body is refused."""
    reply = client.post("/invocations", content=body, headers={"content-type": content_type})
    if reply.headers.get("x-rung") == "baseline":
        raise AssertionError(f"the model did not answer: {reply.text}")
    return reply.json()["predictions"] if reply.status_code == 200 else None


def documented() -> dict[str, tuple[str, str]]:
    """The table of docs/gateway.md: for each body, what MLflow and the gateway do."""
    text = DOCS.read_text().partition("<!-- differences from MLflow")[2].partition("<!-- end -->")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()[3:]]
    return {body: (theirs, ours) for body, theirs, ours, _ in lines}


def test_each_difference_from_mlflow_is_documented(servers):
    found = {}
    for name, (content_type, body) in BODIES.items():
        theirs, ours = (outcome(client, content_type, body) for client in servers)
        if theirs != ours:
            if theirs is not None and ours is not None:
                found[name] = ("reads other values", "answers")
            else:
                found[name] = tuple("refuses" if each is None else "answers" for each in (theirs, ours))
    assert found == documented()
