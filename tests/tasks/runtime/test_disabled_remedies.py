import json
import time

from healing.incident import Remedy
from tasks.runtime.disabled_remedies import disabled_remedies


def test_a_remedy_is_disabled_until_its_file_expires_and_an_unreadable_file_disables_nothing(tmp_path):
    folder = tmp_path / "disabled_remedies"
    folder.mkdir()
    (folder / "rollback.json").write_text(json.dumps({"expires_at": time.time() + 60}))
    (folder / "retrain.json").write_text(json.dumps({"expires_at": time.time() - 1}))
    (folder / "republish.json").write_text("{")
    assert disabled_remedies(tmp_path) == {Remedy.ROLLBACK}
    assert disabled_remedies(tmp_path / "nowhere") == frozenset()
