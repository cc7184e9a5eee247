"""Every model of the release is damaged on disk, and their workers are killed: no earlier model is left to serve."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from chaos.faults.changed_file import ChangedFile
from chaos.faults.changed_file import prepare_model as prepare_file
from chaos.faults.signalled_process import SignalledProcess
from chaos.lab import Lab
from chaos.processes import ProcessName

__all__ = ["KIND", "EveryModel", "prepare"]

KIND = "every_model"


class EveryModel(BaseModel):
    """Flips bytes of each model's file, then kills each worker. Its undo restores the files."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["every_model"] = "every_model"
    files: tuple[ChangedFile, ...]
    workers: tuple[SignalledProcess, ...]

    @property
    def title(self) -> str:
        return f"all {len(self.files)} models of the release corrupted"

    def inject(self) -> None:
        """Change all files before the first worker is killed: none may be loaded again in between."""
        for file in self.files:
            file.inject()
        for worker in self.workers:
            worker.inject()

    def undo(self) -> None:
        """Restore the original bytes of each file."""
        for file in self.files:
            file.undo()

    def active(self) -> bool:
        """Whether each file on disk has another digest than the original, and each worker is gone."""
        return all(file.active() for file in self.files) and all(worker.active() for worker in self.workers)


def prepare(lab: Lab) -> EveryModel:
    """The models that the release names, with the workers that run now. LookupError when there is no release."""
    digests = lab.named_models()
    running = [(each["digest"], each["pid"]) for each in lab.release_state()["workers"] if each["pid"]]
    return EveryModel(
        files=tuple(prepare_file(lab, digest, "model", "flip") for digest in digests),
        workers=tuple(
            SignalledProcess(process=ProcessName.of(pid), signal="KILL", name=f"worker of {digest[:12]}")
            for digest, pid in running
            if digest in digests
        ),
    )
