"""An ingest that is due while Prefect is away is started, watched to its end, and is one incident."""

import json
import time
from datetime import UTC, datetime, timedelta

from prefect.settings import temporary_settings

from healing.incident import Cause, Remedy, Status
from tasks.config.settings import load_settings
from tasks.incidents.detection import Detection
from tasks.incidents.evidence import read_signals
from tasks.incidents.flow_runner import InlineRunner
from tasks.incidents.incident_view import Memory
from tasks.incidents.policy import policy_of
from tasks.incidents.probe import ProbeContext
from tasks.incidents.probes.ingest_schedule import IngestSchedule
from tasks.incidents.probing import Probing
from tasks.incidents.repair_loop import RepairLoop
from tasks.incidents.step_executor import StepExecutor
from tasks.ingestion.run_record import SCHEDULE, record_end, record_start
from tests.gateway.running import wait_until
from tests.published import PIPELINE
from tests.tasks.incidents.contexts import probe_context
from tests.tasks.incidents.stories import NO_PREFECT


def test_an_ingest_that_is_due_is_started_by_the_healer(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_PREFECT_API_URL", "http://127.0.0.1:9/api")  # nobody answers there
    with probe_context(tmp_path, monkeypatch) as context, temporary_settings(NO_PREFECT):
        settings, ledger = load_settings(), context.ledger
        started = []

        def ingest(pipeline):
            started.append(datetime.now(UTC))
            record_start(ledger, pipeline, "run")
            record_end(ledger, pipeline, "run", 0)

        due = datetime.now(UTC) + timedelta(seconds=1)
        file = settings.home / "healer" / f"{PIPELINE}.ingest_due.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"due": [due.isoformat()]}))
        probing = Probing(ProbeContext(settings, context.pipeline, ledger), [IngestSchedule()])
        detection = Detection(settings, PIPELINE, probing)
        executor = StepExecutor(settings, ledger, InlineRunner({"ingest/ingest": ingest}), Memory(), token=1)
        loop = RepairLoop(
            PIPELINE,
            executor,
            lambda: policy_of(context.pipeline, settings),
            lambda: read_signals(settings, PIPELINE, ledger, probing.confirmations(), detection.read_gateway),
        )

        def healed():
            detection.record(ledger)
            loop.advance(ledger.observed_incidents(PIPELINE))
            time.sleep(0.1)
            return [each for each in ledger.incidents(PIPELINE) if each.ended]

        wait_until(healed, "the incident ends", 60)
        [incident] = ledger.incidents(PIPELINE)
        assert (incident.cause, incident.subject, incident.status) == (Cause.STALE_DATA, SCHEDULE, Status.RECOVERED)
        assert [attempt.remedy for attempt in incident.attempts] == [Remedy.WAIT, Remedy.RETRY]
        assert len(started) == 1
        assert due < started[0] < due + timedelta(seconds=60)  # within 10 s on a quiet machine
