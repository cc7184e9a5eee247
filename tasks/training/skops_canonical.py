"""Canonical skops files: equal models have equal bytes.

A skops file is a zip of arrays and a `schema.json` that refers to them. skops names the parts by memory address and
dates them. Here the parts are numbered in the order in which the schema mentions them, and all dates are equal; see
docs/decisions/0022-reproducible-model-bytes.md.
"""

import io
import json
import zipfile
from typing import Any

from healing.errors import ModelCorrupt

_SCHEMA = "schema.json"


def canonical_skops(content: bytes) -> bytes:
    """A skops file that loads to the same model and whose bytes depend on the model alone.

    Files that the schema does not mention are left out, because nothing reads them. ModelCorrupt if `content` is not a
    skops file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            bodies = {name: archive.read(name) for name in archive.namelist()}
        schema = json.loads(bodies.pop(_SCHEMA))
    except (zipfile.BadZipFile, KeyError, ValueError) as exc:
        raise ModelCorrupt(f"expected a skops file, a zip with {_SCHEMA}, found {len(content)} bytes: {exc}") from exc
    numbering = _Numbering(frozenset(bodies))
    numbering.apply(schema)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:  # a ZipInfo built by name has the date 1980-01-01
        for name, numbered in numbering.files.items():
            archive.writestr(zipfile.ZipInfo(numbered), bodies[name])
        archive.writestr(zipfile.ZipInfo(_SCHEMA), json.dumps(schema, separators=(",", ":")))
    return written.getvalue()


class _Numbering:
    """Replaces memory addresses by numbers in the order of their first occurrence."""

    def __init__(self, known_files: frozenset[str]) -> None:
        self._known_files = known_files
        self._ids: dict[int, int] = {}
        self.files: dict[str, str] = {}

    def apply(self, node: Any) -> None:
        """Renumber a part of the schema in place, and everything inside it."""
        if isinstance(node, dict):
            self._apply_here(node)
        for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            self.apply(part)

    def _apply_here(self, node: dict[str, Any]) -> None:
        address, file = node.get("__id__"), node.get("file")
        if isinstance(address, int):
            node["__id__"] = self._ids.setdefault(address, len(self._ids) + 1)
        if isinstance(file, str) and file in self._known_files:
            suffix = file.rpartition(".")[2]
            node["file"] = self.files.setdefault(file, f"{len(self.files) + 1}.{suffix}")
