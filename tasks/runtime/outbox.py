"""The outbox: messages to people, each with the routes that it still has to be sent by.

A message is kept before it is sent, and for a day afterwards, so that the same message, sent again after a crash, is
not sent a second time by a route that has accepted it. While the disk takes nothing, messages are kept in the process.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from healing.errors import Conflict, StoreUnavailable
from releases.files import write_atomically
from tasks.runtime.file_locks import exclusive

log = structlog.get_logger(__name__)

KEPT_SECONDS = 86_400.0  # how long a message is remembered that every route has accepted
_SENDING_SECONDS_MAX = 5.0  # to wait for another process that sends the same message; healing must not stand still

_unwritten: dict[Path, "Message"] = {}  # by the file that the disk did not take


@dataclass(frozen=True, slots=True)
class Message:
    """A message, and by route whether it has accepted it. Equal keys are the same message."""

    key: str
    entry: Mapping[str, Any]
    title: str
    body: str
    accepted: Mapping[str, bool]

    @property
    def is_sent(self) -> bool:
        return all(self.accepted.values())


Deliver = Callable[[str, Message], bool]  # sends a message by one route; returns whether the route has accepted it


class Outbox:
    """The messages in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: Message, deliver: Deliver) -> Message:
        """Send the message by each route that has not accepted it yet; returns it with what is accepted now."""
        path = self._folder / f"{hashlib.sha256(message.key.encode()).hexdigest()[:32]}.json"
        with _locked(path, _SENDING_SECONDS_MAX) as is_locked:
            known = _load(path)
            if known is not None:
                message = replace(message, accepted={**message.accepted, **known.accepted})
            if not is_locked:
                return message  # the other process sends it
            _keep(path, message)
            return _deliver(path, message, deliver)

    def resend(self, deliver: Deliver) -> int:
        """Send what routes did not accept before; returns how many messages are left.

        A route that fails is not tried again for the other messages of this pass.
        """
        failed: set[str] = set()

        def deliver_once(route: str, message: Message) -> bool:
            if route not in failed and deliver(route, message):
                return True
            failed.add(route)
            return False

        left = 0
        for path in self._oldest_first():
            with _locked(path, 0.0) as is_locked:
                message = _load(path) if is_locked else None
                if message is None:
                    continue
                if message.is_sent:
                    _forget_old(path)
                else:
                    left += not _deliver(path, message, deliver_once).is_sent
        return left

    def unsent(self) -> list[Message]:
        """The messages that some route has not accepted yet, the oldest first. Sends nothing."""
        messages = (_load(path) for path in self._oldest_first())
        return [message for message in messages if message is not None and not message.is_sent]

    def _oldest_first(self) -> list[Path]:
        """The files of all messages; a message is not overtaken by a later one about the same incident."""
        paths = {*self._folder.glob("*.json"), *(path for path in _unwritten if path.parent == self._folder)}
        times = {path: str(message.entry.get("at", "")) for path in paths if (message := _load(path)) is not None}
        return sorted(times, key=lambda path: (times[path], path.name))


def _deliver(path: Path, message: Message, deliver: Deliver) -> Message:
    for route, is_accepted in message.accepted.items():
        if not is_accepted and deliver(route, message):
            message = replace(message, accepted={**message.accepted, route: True})
            _keep(path, message)  # at once: what follows may take long, and the process may end
    return message


@contextmanager
def _locked(path: Path, seconds_max: float) -> Iterator[bool]:
    """Be the only process that sends this message; False if another one is. Without a lock file, nobody is kept out."""
    with contextlib.ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(exclusive(path.with_suffix(".lock"), seconds_max=seconds_max))
        except Conflict:
            yield False
            return
        except (StoreUnavailable, OSError) as exc:
            log.warning("outbox_not_locked", cause=str(exc))
        yield True


def _load(path: Path) -> Message | None:
    """The message; None if there is none, or if another version wrote it in another form."""
    if path in _unwritten:
        return _unwritten[path]
    try:
        found = json.loads(path.read_bytes())
        if "route" in found:  # of a version that kept one message per route
            found["accepted"] = {found.pop("route"): False}
            found["key"] = path.stem
        return Message(**found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as exc:
        log.warning("alert_not_read", file=str(path), cause=str(exc))
        return None


def _keep(path: Path, message: Message) -> None:
    """Keep the message on disk, or in this process while the disk takes nothing."""
    try:
        write_atomically(path, json.dumps(asdict(message)).encode())
        _unwritten.pop(path, None)
    except OSError as exc:
        log.warning("alert_not_kept_on_disk", cause=str(exc))
        _unwritten[path] = message


def _forget_old(path: Path) -> None:
    """Forget a message that was sent long ago."""
    with contextlib.suppress(OSError):
        if path in _unwritten or time.time() - path.stat().st_mtime > KEPT_SECONDS:
            _unwritten.pop(path, None)
            path.unlink(missing_ok=True)
            path.with_suffix(".lock").unlink(missing_ok=True)
