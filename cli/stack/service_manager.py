"""Messages to the service manager that started this process, in the protocol of systemd (sd_notify(3)).

systemd waits for READY=1 before it starts what depends on the stack, and restarts a supervisor whose WATCHDOG=1
stays away: without it nobody would notice a supervisor that hangs.
"""

import os
import socket
from dataclasses import dataclass

ADDRESS_VARIABLE = "NOTIFY_SOCKET"


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """The service manager that listens at `address`; without an address nobody does, and messages are dropped."""

    address: str = ""

    @classmethod
    def of_this_process(cls) -> "ServiceManager":
        """That of the environment. The variable is removed, so that no child process reports in our name."""
        return cls(os.environ.pop(ADDRESS_VARIABLE, ""))

    def ready(self) -> None:
        """Everything is healthy."""
        self._send("READY=1\nSTATUS=every service is healthy")

    def alive(self) -> None:
        """The supervisor has completed one more turn of its loop."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        """A manager that is away or slow is no reason to stop or to wait."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address  # an abstract socket
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), address)
        except OSError:
            return
