"""Requests for the champion's golden rows, and each model's reference answers to them.

The champion's answers are checked against the outputs in its signed manifest before they are used.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import orjson

from chaos.http import TIMEOUT_SECONDS
from chaos.lab import Lab
from chaos.load import Request
from chaos.reference_answers import TOLERANCE, ReferenceAnswers
from chaos.staging.credentials import authorization
from chaos.trust import tls_context

__all__ = ["check_golden", "collect_answers", "golden_requests", "keep_requests", "kept_requests"]

ROWS_MAX = 32
KEPT_MANIFEST = "champion.manifest.json"


def keep_requests(lab: Lab, digest: str) -> None:
    """Copy the model's manifest into the record: the release root may be out of reach later in the drill."""
    (lab.directory / KEPT_MANIFEST).write_bytes(lab.manifest(digest))


def kept_requests(lab: Lab) -> list[Request]:
    """One request per golden row of the model whose manifest is in the record."""
    return _requests(json.loads((lab.directory / KEPT_MANIFEST).read_bytes()))


def golden_requests(lab: Lab, digest: str) -> list[Request]:
    """One request per golden row of the model; FileNotFoundError when its manifest is not in the release root."""
    return _requests(_manifest(lab, digest))


def _requests(manifest: Mapping[str, Any]) -> list[Request]:
    golden = manifest["golden"]
    return [
        Request(
            row=str(index),
            content=orjson.dumps({"dataframe_split": {"columns": golden["columns"], "data": [row]}}),
        )
        for index, row in enumerate(golden["rows"][:ROWS_MAX])
    ]


def collect_answers(lab: Lab, requests: Iterable[Request], known: ReferenceAnswers) -> ReferenceAnswers:
    """`known` with the answers of every further model that has a ready worker."""
    state = lab.release_state()
    warm = {worker["digest"] for worker in state["workers"] if worker["state"] == "ready"}
    pool = list(requests)
    answers = {digest: dict(rows) for digest, rows in known.answers.items()}
    for digest in sorted(warm - set(answers)):
        given = _ask_model(lab, digest, pool)
        if given:
            answers[digest] = given
    baseline = float(state["release"]["baseline"])
    return ReferenceAnswers(answers=answers, baselines=tuple(sorted({*known.baselines, baseline})))


def check_golden(lab: Lab, digest: str, reference: ReferenceAnswers) -> None:
    """Raise ValueError unless the model's answers equal the outputs in its manifest."""
    golden = _manifest(lab, digest)["golden"]
    tolerance = max(TOLERANCE, float(golden["tolerance"]))
    for row, given in reference.answers.get(digest, {}).items():
        expected = float(golden["outputs"][int(row)])
        if abs(given[0] - expected) > tolerance:
            raise ValueError(
                f"expected model {digest[:12]} to answer {expected} for golden row {row}, found {given[0]}"
            )


def _ask_model(lab: Lab, digest: str, requests: list[Request]) -> dict[str, tuple[float, ...]]:
    """The model's answers by row; empty when it was unloaded in the meantime."""
    answers: dict[str, tuple[float, ...]] = {}
    url = f"{lab.gateway}/invocations"
    headers = {"content-type": "application/json", "x-model-digest": digest, **authorization(url)}
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=tls_context()) as client:
        for request in requests:
            response = client.post(url, content=request.content, headers=headers)
            if response.status_code == httpx.codes.NOT_FOUND:
                return {}
            response.raise_for_status()
            if response.headers.get("x-model-digest") == digest:
                answers[request.row] = tuple(float(value) for value in response.json()["predictions"])
    return answers


def _manifest(lab: Lab, digest: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(lab.manifest(digest))
    return content
