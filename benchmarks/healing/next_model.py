"""Publishes the champion's files again under a new digest, and makes that model the champion.

    AUTOPILOT_HOME=HOME python benchmarks/healing/next_model.py PIPELINE

Run in the working tree of any revision. A rollback fences the digest that it leaves, so each trial needs a new one.
Prints the new digest.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

from healing.release import Challenger, Mode
from releases.log import ReleaseLog, promotion_of, trial_of
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.settings import Settings

AUTHOR = "benchmark"


def main() -> None:
    """Publish and promote."""
    settings = Settings()
    root = settings.release_root(sys.argv[1])
    store, log = ModelStore(root), ReleaseLog(root)
    current = log.current()
    assert current is not None
    champion = current.champion.digest
    manifest = store.manifest(champion)
    major, minor, patch = manifest.version.split(".")
    version = f"{major}.{minor}.{int(patch) + current.generation}"
    files = {name: (store.path(champion) / name).read_bytes() for name in manifest.files}
    model = store.publish(files, manifest.model_copy(update={"version": version}), ensure_keys(settings.keys_dir))
    log.append(trial_of(current, Challenger(model, Mode.CANARY, 0.5), author=AUTHOR, now=datetime.now(UTC)))
    tried = log.current()
    assert tried is not None
    log.append(promotion_of(tried, author=AUTHOR, now=datetime.now(UTC)))
    sys.stdout.write(model.digest)


if __name__ == "__main__":
    main()
