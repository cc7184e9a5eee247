"""What a key or a token is for."""

from enum import StrEnum


class Purpose(StrEnum):
    """What a key or a token is for; operating includes the others."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    OPERATE = "operate"
