"""`python -m healer --pipeline NAME`: heal one pipeline until SIGTERM or SIGINT."""

import argparse
import signal
import threading

from healer.status_writer import StatusWriter
from healer.watchdog import Watchdog
from observability.service_log import configure_service_log
from observability.service_output import keep_running_without_output
from tasks.config.pipeline import load_pipeline
from tasks.config.settings import load_settings
from tasks.runtime.traces import flush_traces


def main() -> None:
    """Run the watchdog; a signal ends it after its present step."""
    parser = argparse.ArgumentParser(prog="python -m healer", description="resident healer of one pipeline")
    parser.add_argument("--pipeline", required=True, help="name of the pipeline to heal")
    arguments = parser.parse_args()
    keep_running_without_output()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = load_settings()
    configure_service_log(settings.log_level, settings.log_format, service="healer", pipeline=arguments.pipeline)
    config = load_pipeline(arguments.pipeline, settings.pipelines_dir)
    with StatusWriter(settings, config):
        Watchdog(settings, config).run(stop)
    flush_traces(settings)


if __name__ == "__main__":
    main()
