"""Usage reporting of the libraries is off in every process that imports this project.

Prefect reports at its own import, so the variables are set before any library is imported: `cli`, `flows` and `tasks`
do so in their `__init__.py`. prefect.yaml sets the same variables for flow runs that a worker starts.
"""

import os

OPT_OUTS = {
    "DO_NOT_TRACK": "true",  # the word: MLflow ignores 1
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
}


def opt_out() -> None:
    """Turn usage reporting off in this process and in those that it starts, whatever their environment says."""
    os.environ.update(OPT_OUTS)
