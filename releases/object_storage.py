"""Release storage in an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.

A commit is a put on the condition that the name is free. Every call ends within a bounded time.
"""

import hashlib
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from healing.errors import ConfigError, StoreUnavailable
from releases.storage import FileState

if TYPE_CHECKING:
    from obstore.store import BackoffConfig, ClientConfig, ObjectStore, RetryConfig

WRITER = "writer"  # metadata of each created object: which call wrote it
_EXCLUSIVE_PROBE = ".exclusive-create"  # one object per root, see `_require_exclusive_create`
_DOCUMENTS = "log/"
_DOCUMENTS_KEPT = 4096
_CONNECT = "2s"
_RETRY = timedelta(seconds=3)  # no further try after this time: a call takes at most this and one try
_BACKOFF: "BackoffConfig" = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=1), "base": 2}
_SILENCE = "4s"  # between two parts of an answer
_DOCUMENT_TIME = "4s"
_MODEL_TIME = "120s"  # of one file; a gateway waits less and uses its copy
_DETAIL = re.compile(r"[\n<].*", re.DOTALL)  # debug output, and the server's document, which may hold an access key


class WriteUnknown(StoreUnavailable):
    """A write got no answer, and whether it took place could not be read either. The log will say; read it again."""


class ObjectStorage:
    """The objects below one address. Credentials and endpoint come from the environment, as the library reads them."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._documents = _client(address, _DOCUMENT_TIME)
        self._models = _client(address, _MODEL_TIME)
        self._etags: dict[str, str | None] = {}  # of the last listing
        self._kept: dict[str, tuple[str, bytes]] = {}  # documents as read before, by the state that they had then
        self._is_exclusive = False

    def where(self, name: str) -> str:
        return f"{self._address}/{name}"

    def names(self, folder: str) -> list[str]:
        try:
            found = self._documents.list_with_delimiter(folder)
        except self._errors as exc:
            raise self._failure("list", folder, exc) from exc
        self._etags |= {each["path"]: each["e_tag"] for each in found["objects"]}
        paths = [*(each["path"] for each in found["objects"]), *found["common_prefixes"]]
        return [path.rstrip("/").rpartition("/")[2] for path in paths]

    def has(self, name: str) -> bool:
        try:
            self._documents.head(name)
        except FileNotFoundError:
            return False
        except self._errors as exc:
            raise self._failure("look up", name, exc) from exc
        return True

    def has_folder(self, folder: str) -> bool:
        return bool(self.names(folder))

    def read(self, name: str) -> bytes:
        """The bytes under `name`. A document that has not changed since it was last read is not read again."""
        kept = self._kept.get(name)
        if kept is not None and kept[0] == self._etags.get(name):
            return kept[1]
        content, etag = self._get(name)
        if etag and name.startswith(_DOCUMENTS) and len(self._kept) < _DOCUMENTS_KEPT:
            self._kept[name] = (etag, content)
        return content

    def digest(self, name: str) -> str:
        return hashlib.sha256(self._get(name)[0]).hexdigest()

    def states(self, folder: str) -> frozenset[FileState]:
        try:
            found = self._documents.list(f"{folder}/").collect()
        except self._errors as exc:
            raise self._failure("list", folder, exc) from exc
        return frozenset((each["path"], each["e_tag"], each["size"]) for each in found)

    def create(self, name: str, content: bytes) -> None:
        """Put `content` if the name is free.

        A put whose answer is lost is not guessed at: the object is read, and its metadata says whether this call wrote
        it. FileExistsError where another one did. StoreUnavailable where there is no object: the put may still arrive,
        and then the next writer of this name loses to it. WriteUnknown where nothing can be read.
        """
        self._require_exclusive_create()
        self._create(name, content)

    def _create(self, name: str, content: bytes) -> None:
        writer = uuid4().hex
        try:
            self._documents.put(name, content, mode="create", attributes={WRITER: writer}, use_multipart=False)
        except self._errors as exc:  # "already exists" too: an earlier try of this call may have written it
            if self._writer_of(name, exc) == writer:
                return
            raise FileExistsError(self.where(name)) from exc

    def _writer_of(self, name: str, cause: BaseException) -> str:
        """Which call wrote the object after a put without a clear answer."""
        try:
            return str(self._documents.get(name).attributes.get(WRITER, ""))
        except FileNotFoundError as exc:
            raise self._failure("write", name, cause) from exc
        except self._errors as exc:
            raise WriteUnknown(
                f"expected an answer to the write of {self.where(name)}, found {_cause(cause)}, and whether it was "
                f"written cannot be read: {_cause(exc)}; read it again when the object store answers"
            ) from exc

    def _require_exclusive_create(self) -> None:
        """ConfigError where the object store ignores the condition of a put: there, two writers would both win.

        A probe object shows it, once per process: the store must refuse to create it a second time.
        """
        if self._is_exclusive:
            return
        for _ in range(2):
            try:
                self._create(_EXCLUSIVE_PROBE, b"shows that this object store refuses to create an object twice\n")
            except FileExistsError:
                self._is_exclusive = True
                return
        raise ConfigError(
            f"expected the object store at {self._address} to refuse a second put with `If-None-Match: *`, found "
            "that it replaced the object: two releases could both win; use a store that supports conditional writes"
        )

    def replace(self, name: str, content: bytes) -> None:
        self._kept.pop(name, None)
        try:
            self._models.put(name, content, use_multipart=False)
        except self._errors as exc:
            raise self._failure("write", name, exc) from exc

    def place(self, directory: Path, folder: str, last: str) -> None:
        """Upload every file, and the file `last` when the others are there."""
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        for path in sorted(files, key=lambda path: path == directory / last):
            self.replace(f"{folder}/{path.relative_to(directory).as_posix()}", path.read_bytes())

    def _get(self, name: str) -> tuple[bytes, str | None]:
        client = self._documents if name.startswith(_DOCUMENTS) else self._models
        try:
            answer = client.get(name)
            content = bytes(answer.bytes())
        except FileNotFoundError:
            raise
        except self._errors as exc:
            raise self._failure("read", name, exc) from exc
        if len(content) != answer.meta["size"]:
            raise StoreUnavailable(
                f"expected {answer.meta['size']} bytes of {self.where(name)}, found {len(content)}; read it again"
            )
        return content, answer.meta["e_tag"]

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        from obstore.exceptions import BaseError

        return (BaseError, OSError)

    def _failure(self, what: str, name: str, exc: BaseException) -> StoreUnavailable:
        return StoreUnavailable(f"expected to {what} {self.where(name)}, found {_cause(exc)}; check the object store")


def _client(address: str, seconds: str) -> "ObjectStore":
    """A client of the store; ConfigError where the library is not installed or does not take the address."""
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as exc:
        raise ConfigError(
            f"expected the library obstore for {address}, found none; install the extra `object-store`"
        ) from exc
    options: ClientConfig = {"connect_timeout": _CONNECT, "read_timeout": _SILENCE, "timeout": seconds}
    if any(os.environ.get(f"{each}_ALLOW_HTTP", "").lower() in ("1", "true") for each in ("AWS", "AZURE", "GOOGLE")):
        options["allow_http"] = True
    retries: RetryConfig = {"max_retries": 2, "retry_timeout": _RETRY, "backoff": _BACKOFF}
    try:
        return from_url(address, client_options=options, retry_config=retries)
    except (BaseError, ValueError, TypeError) as exc:
        raise ConfigError(f"expected an address of an object store, found {address!r}: {_cause(exc)}") from exc


def _cause(exc: BaseException) -> str:
    """The first line of an error. What follows is a document of the server, which may hold an access key."""
    return _DETAIL.sub("", str(exc)).strip(" :") or type(exc).__name__
