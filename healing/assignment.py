"""Random assignment of clients to the challenger: a hash of the route key, fixed for the whole trial."""

from hashlib import blake2b

from healing.release import WEIGHT_STEPS

_BYTES = 8


def client_of(digest: str, route_key: str) -> str:
    """The client's number in the trial of the challenger `digest`, as 16 hexadecimal digits.

    The key is hashed together with the challenger's digest, so that it is not the same clients that meet every trial,
    and so that a log with this number does not name the client.
    """
    return blake2b(route_key.encode(), digest_size=_BYTES, key=bytes.fromhex(digest)).hexdigest()


def is_assigned(client: str, weight: float) -> bool:
    """Whether the client is in the challenger's share. A larger weight keeps all who were there before."""
    return int(client, 16) % WEIGHT_STEPS < round(weight * WEIGHT_STEPS)
