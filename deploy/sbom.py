"""The bill of materials of a serving machine in CycloneDX, from its lock: `python -m deploy.sbom var/sbom.cdx.json`.

Each pinned package has its version, package URL and the SHA-256 hashes of its files; its licence if it is installed.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from deploy.licences import RUNTIME, installed_licences, normalised

_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)(.*?)(?=^[A-Za-z0-9]|\Z)", re.MULTILINE | re.DOTALL)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill_of_materials(lock: str, licences: Mapping[str, str]) -> Bom:
    """One component per pin of the text of a lock; `licences` are by normalised name."""
    root = Component(name="mlops-autopilot", type=ComponentType.APPLICATION, bom_ref="mlops-autopilot")
    bom = Bom(components=_components(lock, licences))
    bom.metadata.component = root
    bom.register_dependency(root, bom.components)
    return bom


def _components(lock: str, licences: Mapping[str, str]) -> Iterator[Component]:
    """ValueError where a pin has no hash: what is installed then is not what was locked."""
    licence_of = LicenseFactory()
    for name, version, rest in _PIN.findall(lock):
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=found) for found in _HASH.findall(rest)]
        if not hashes:
            raise ValueError(f"expected a hash for {name}=={version}, found none; run `make lock`")
        url = PackageURL("pypi", name=name, version=version)
        declared = licences.get(normalised(name), "")
        files = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(url.to_string()), hashes=hashes)
        yield Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=url.to_string(),
            purl=url,
            external_references=[files],
            licenses=[licence_of.make_from_string(each) for each in declared.split("; ") if each],
        )


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(JsonV1Dot6(bill_of_materials(RUNTIME.read_text(), installed_licences())).output_as_string(indent=2))
