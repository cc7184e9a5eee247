"""MLflow's scoring server for one model, as `mlflow models serve` runs it: `python -m tests.gateway.mlflow_server DIR`.

It writes its port to `DIR/port`. The signature is that of the schema in `DIR/schema.json`.
"""

import os
import socket
import sys
from pathlib import Path

from releases.manifest import InputSchema
from tests.echo_model import EchoRegressor


def main(directory: Path) -> None:
    """Save the echo model with a signature, and serve it until the process ends."""
    import mlflow.sklearn
    import pandas as pd
    import uvicorn
    from mlflow.models import ModelSignature
    from mlflow.pyfunc.scoring_server import _SERVER_MODEL_PATH
    from mlflow.types import ColSpec, Schema

    schema = InputSchema.model_validate_json((directory / "schema.json").read_text())
    inputs = Schema([ColSpec(column.type, column.name, required=not column.nullable) for column in schema.columns])
    mlflow.sklearn.save_model(
        EchoRegressor(list(schema.names)).fit(pd.DataFrame(), None),
        str(directory / "model"),
        serialization_format="cloudpickle",
        signature=ModelSignature(inputs=inputs, outputs=Schema([ColSpec("double")])),
        pip_requirements=["scikit-learn"],
    )
    os.environ[_SERVER_MODEL_PATH] = str(directory / "model")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        (directory / "port").write_text(str(listening.getsockname()[1]))
        server = uvicorn.Server(uvicorn.Config("mlflow.pyfunc.scoring_server.app:app", log_level="warning"))
        server.run(sockets=[listening])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
