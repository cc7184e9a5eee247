"""The documents are the truth: generated requests meet no status and no body that they do not describe."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gateway.ports.docs_page import render_page
from gateway.ports.openapi_operate import operate_document
from gateway.ports.openapi_predict import predict_document
from tests.gateway.running import run_gateway, wait_until
from tests.published import PIPELINE, bootstrap, publish_tiny_model

pytestmark = pytest.mark.timeout(300)
DOCUMENTS = {"predict": predict_document(PIPELINE), "operate": operate_document()}
GATEWAY = Path(__file__).parents[3] / "gateway"
HEADER_SOURCES = "".join(path.read_text(encoding="utf-8") for path in sorted(GATEWAY.rglob("*.py")))
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("response_headers_conformance", "unsupported_method"),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory, keys):
    home = tmp_path_factory.mktemp("openapi")
    bootstrap(home / "releases", publish_tiny_model(home / "releases", keys))
    with run_gateway(home / "releases", keys, home / "gateway") as gateway:
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves")
        yield gateway


@pytest.mark.parametrize("port", DOCUMENTS)
def test_generated_requests_meet_nothing_that_is_not_described(served, port, tmp_path):
    url = str(getattr(served, port).base_url).rstrip("/")
    command = [
        *(
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{url}/openapi.json",
            "--checks",
            ",".join(CHECKS),
        ),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "7"),
        *("--generation-database", "none", "--suppress-health-check", "all", "--no-color"),
    ]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stdout[-5000:]
    assert served.ask().status_code == 200


@pytest.mark.parametrize("port", DOCUMENTS)
def test_the_document_that_is_served_is_the_one_that_is_made(served, port):
    client = getattr(served, port)
    assert client.get("/openapi.json").json() == DOCUMENTS[port]
    assert client.get("/docs").content == render_page(DOCUMENTS[port])


@pytest.mark.parametrize("port", DOCUMENTS)
def test_every_schema_is_one_and_every_reference_leads_somewhere(port):
    schemas = DOCUMENTS[port]["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    referred = set(re.findall(r"#/components/schemas/(\w+)", str(DOCUMENTS[port])))
    assert referred <= schemas.keys()


@pytest.mark.parametrize("path", ["/invocations", "/v2/models/{name}/infer"])
def test_the_headers_of_a_prediction_are_those_of_the_guide(path):
    guide = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")
    asked, answered = (
        set(re.findall(r"^\| `(x-[a-z-]+)", guide.partition(f"| header {way} |")[2].partition("\n\n")[0], re.MULTILINE))
        for way in ("in", "out")
    )
    predict = DOCUMENTS["predict"]["paths"][path]["post"]
    assert {each["name"] for each in predict["parameters"] if each["in"] == "header"} >= asked
    assert predict["responses"]["200"]["headers"].keys() >= answered
    assert {name for name in answered if f'b"{name}"' not in HEADER_SOURCES} == set()


@pytest.mark.parametrize("port", DOCUMENTS)
def test_the_page_shows_every_endpoint_and_loads_nothing_from_elsewhere(port):
    page = render_page(DOCUMENTS[port]).decode()
    for methods in DOCUMENTS[port]["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    assert {link[0] for link in re.findall(r'(?:src|href)="([^"]+)"', page)} <= {"/", "#"}
    assert not re.search(r"<script|url\(|@import", page)


def test_what_a_document_says_is_shown_as_text():
    document = DOCUMENTS["operate"] | {
        "paths": {"/<b>": {"get": {"operationId": "x", "summary": "<i>", "responses": {}}}}
    }
    page = render_page(document).decode()
    assert "<b>" not in page
    assert "<i>" not in page
