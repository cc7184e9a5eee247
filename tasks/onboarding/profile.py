"""What `init` found in a file, as kept in the pipeline's folder for its page."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tasks.onboarding.draft import PipelineDraft
from tasks.onboarding.guesses import Guess

PROFILE_FILE = "profile.json"


@dataclass(frozen=True, slots=True)
class Power:
    """What one test can detect with probability 0.8, on how many rows and days."""

    test: str
    rows: int
    days: int
    detects: str


@dataclass(frozen=True, slots=True)
class FileProfile:
    """The file, every guess with the distribution of its column, and what the tests can detect."""

    file: str
    rows: int
    guesses: tuple[Guess, ...]
    power: tuple[Power, ...]

    @property
    def columns(self) -> tuple[Guess, ...]:
        """The guesses about columns other than key, time and label."""
        return tuple(guess for guess in self.guesses if guess.column)

    @property
    def others(self) -> tuple[Guess, ...]:
        """The other guesses."""
        return tuple(guess for guess in self.guesses if not guess.column)

    def to_json(self) -> str:
        """The profile as text."""
        return _ADAPTER.dump_json(self, indent=1, exclude_defaults=True).decode() + "\n"


_ADAPTER: TypeAdapter[FileProfile] = TypeAdapter(FileProfile)


def profile_of(draft: PipelineDraft, guesses: tuple[Guess, ...]) -> FileProfile:
    """The profile of a draft."""
    return FileProfile(draft.request.data.name, draft.rows, guesses, _power(draft))


def read_profile(folder: Path) -> FileProfile | None:
    """The profile in a pipeline's folder; None where there is none, or where another version wrote it."""
    try:
        return _ADAPTER.validate_json((folder / PROFILE_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _power(draft: PipelineDraft) -> tuple[Power, ...]:
    windows = draft.windows
    unit = "variances of the label" if draft.label.output == "value" else "nats"
    loss = f"a difference in the loss of {windows.detected_loss:.2g} {unit} per row"
    shift = f"a shift of one column by {windows.unnoticed_shift(len(draft.inputs)):.2g} standard deviations"
    rise = f"a rise of the loss by {windows.detected_increase:.2g} {unit} per row"
    return (
        Power("comparison of a new model with the champion", windows.held_out_rows, windows.holdout_days, loss),
        Power("monitor: quality, when labels are known", windows.quality_rows, windows.quality_days, rise),
        Power("monitor: features and predictions", windows.window_rows, windows.window_days, shift),
    )
