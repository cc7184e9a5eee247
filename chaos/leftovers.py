"""Faults that earlier drills left active: their holder died and nobody has undone them yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chaos import leases
from chaos.leases import Lease

__all__ = ["Leftover", "clear", "find"]


@dataclass(frozen=True, slots=True)
class Leftover:
    """An outstanding lease, and the directory that it is recorded in."""

    directory: Path
    lease: Lease

    @property
    def title(self) -> str:
        return f"{self.lease.fault.title} (drill {self.directory.parent.parent.name})"


def find(home: Path) -> list[Leftover]:
    """Every outstanding lease of a drill on `home`, the earliest first."""
    found = [
        Leftover(directory, lease)
        for directory in _directories(home)
        for lease in leases.read_all(directory)
        if lease.outstanding
    ]
    return sorted(found, key=lambda each: each.lease.taken_at)


def clear(home: Path) -> list[Leftover]:
    """Undo them, the latest first; return those that were undone. Raises what an undo raises."""
    found = find(home)
    for each in reversed(found):
        leases.give_back(each.directory, each.lease)
    return found


def _directories(home: Path) -> Iterator[Path]:
    for name in ("leases", "ablation"):
        yield from (home / "drills").glob(f"*/*/{name}")
