"""An independent oracle: computes each answer again with plain scikit-learn, and counts those that are wrong.

    python -m chaos.staging.oracle --release-root ROOT --directory DIR

It also writes the champion's golden rows as requests for the load of `chaos.staging.traffic`.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from chaos.load import Answer, write_requests
from chaos.release_documents import newest
from chaos.staging.answer_files import AnswerReader
from chaos.staging.counts import OracleCounts
from chaos.staging.models import Models
from chaos.verdict import Counts

__all__ = ["Oracle"]

POLL_SECONDS = 0.5
WRONG_KEPT_MAX = 1000  # wrong answers that are kept as evidence


@dataclass(slots=True)
class Oracle:
    """Reads new answers, judges each, and keeps the counts in the directory, so that a restart continues."""

    root: Path
    directory: Path
    models: Models
    counts: OracleCounts
    _generation: int = 0

    @classmethod
    def of(cls, root: Path, directory: Path) -> "Oracle":
        directory.mkdir(parents=True, exist_ok=True)
        return cls(root, directory, Models(root), OracleCounts.read(directory))

    def step(self) -> None:
        """Publish the champion's rows if it is new, judge what was answered since, and write the counts."""
        self._renew_requests()
        reader = AnswerReader(self.directory, self.counts.segment, self.counts.offset)
        kinds = dict(self.counts.requests)
        for answer in reader.read():
            kind = self.models.expected(answer).classify(answer).value
            kinds = {**kinds, kind: kinds[kind] + 1, "total": kinds["total"] + 1}
            if kind == "wrong" and kinds[kind] <= WRONG_KEPT_MAX:
                self._keep(answer)
        self.counts = self.counts.model_copy(
            update={"requests": Counts(**kinds), "segment": reader.segment, "offset": reader.offset}
        )
        self.counts.write(self.directory)

    def _renew_requests(self) -> None:
        try:
            release = newest(self.root)
        except (OSError, json.JSONDecodeError):
            return  # no release yet, or a drill has hidden the directory
        if release["generation"] == self._generation:
            return
        digest = str(release["champion"]["digest"])
        requests = self.models.requests(digest)
        if requests:
            write_requests(self.directory / "requests" / f"{release['generation']:08d}.ndjson", requests)
            self._generation = release["generation"]
            self.counts = self.counts.model_copy(update={"champion": digest, "generation": self._generation})

    def _keep(self, answer: Answer) -> None:
        with (self.directory / "wrong.jsonl").open("ab") as file:
            file.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))


def main() -> None:
    """Judge answers until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m chaos.staging.oracle")
    parser.add_argument("--release-root", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    arguments = parser.parse_args()
    oracle = Oracle.of(arguments.release_root, arguments.directory)
    while True:
        oracle.step()
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
