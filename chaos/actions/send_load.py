"""Send prediction requests at a constant rate, and record every answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chaos import golden_rows
from chaos.lab import Lab
from chaos.load import OpenLoop
from chaos.record import AnswerLog
from chaos.staging.credentials import authorization

__all__ = ["STOP_FILE", "send_load"]

STOP_FILE = "load.stop"


def send_load(rate_per_second: float, requests_max: int, seconds_max: float, configuration: Mapping[str, Any]) -> int:
    """Send the reference rows in turn until a bound is met or `stop_load` ran; return how many were sent."""
    lab = Lab.of(configuration)
    url = f"{lab.gateway}/invocations"
    requests = [replace(each, headers=authorization(url)) for each in golden_rows.kept_requests(lab)]
    stop = lab.directory / STOP_FILE
    log = AnswerLog(lab.directory)
    try:
        load = OpenLoop(
            url=url,
            next_request=lambda index: requests[index % len(requests)],
            on_exchange=log,
            rate_per_second=rate_per_second,
            requests_max=requests_max,
            seconds_max=seconds_max,
            stopped=stop.exists,
        )
        return asyncio.run(load.run())
    finally:
        log.close()
