"""Object stores of other makers, where they are installed: which keep the condition of a put, and which are refused."""

import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from healing.errors import ConfigError, Conflict
from releases import storage
from releases.log import ReleaseLog
from releases.release_root import ObjectRoot
from tests.releases.documents import bootstrap

PATIENCE_SECONDS = 60.0
ACCOUNT = "devstoreaccount1"  # Azurite's only account, and its published key
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Start a server by its command line with a free port; skip where its command is not installed."""
    pytest.importorskip("obstore")
    processes = []

    def start(command, **environment):
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        words = [word.format(port=port, directory=tmp_path / "server") for word in command]
        (tmp_path / "server").mkdir()
        processes.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with closing(socket.socket()) as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        for name, value in environment.items():
            monkeypatch.setenv(name, value.format(port=port))
        storage.forget_clients()
        return port

    yield start
    storage.forget_clients()
    for process in processes:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def test_s3rver_ignores_the_condition_of_a_put_and_is_refused(started, tmp_path):
    started(
        ["s3rver", "-d", "{directory}", "-a", "127.0.0.1", "-p", "{port}", "--configure-bucket", "bucket"],
        AWS_ACCESS_KEY_ID="S3RVER",
        AWS_SECRET_ACCESS_KEY="S3RVER",
        AWS_REGION="us-east-1",
        AWS_ENDPOINT_URL="http://127.0.0.1:{port}",
        AWS_ALLOW_HTTP="true",
    )
    log = ReleaseLog(ObjectRoot("s3://bucket/toy", tmp_path))
    with pytest.raises(ConfigError, match="conditional writes"):
        log.append(bootstrap())
    assert log.generations() == []


def test_azurite_keeps_the_condition_of_a_put(started, tmp_path):
    port = started(
        ["azurite-blob", "--silent", "--skipApiVersionCheck", "--location", "{directory}", "--blobPort", "{port}"],
        AZURE_STORAGE_USE_EMULATOR="true",
        AZURE_ALLOW_HTTP="true",
        AZURITE_BLOB_STORAGE_URL="http://127.0.0.1:{port}",
    )
    create_container(port, "bucket")
    log = ReleaseLog(ObjectRoot("az://bucket/toy", tmp_path))
    log.append(bootstrap())
    assert log.history() == [bootstrap()]
    with pytest.raises(Conflict):
        log.append(bootstrap("b"))
    with pytest.raises(FileExistsError):
        log._storage.create("log/00000001.json", b"another writer")
    assert log.history() == [bootstrap()]


def create_container(port, name):
    """One signed request of Azure Blob Storage."""
    date = format_datetime(datetime.now(UTC), usegmt=True)
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06", "Content-Type": "text/plain"}
    lines = f"x-ms-date:{date}\nx-ms-version:2021-08-06\n"
    text = f"PUT\n\n\n\n\ntext/plain\n\n\n\n\n\n\n{lines}/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    signature = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
    url = f"http://127.0.0.1:{port}/{ACCOUNT}/{name}?restype=container"
    request = urllib.request.Request(url, b"", headers | {"Authorization": f"SharedKey {ACCOUNT}:{signature}"})
    request.method = "PUT"
    with urllib.request.urlopen(request) as reply:
        assert reply.status == 201
