"""Which arm a request falls to: random over keys, fixed for one key."""

from hashlib import blake2b

from healing.release import WEIGHT_STEPS, Challenger


def falls_to_challenger(challenger: Challenger, route_key: str) -> bool:
    """Whether requests with this route key are in the challenger's share: to answer (canary) or to copy (shadow).

    The key is hashed together with the challenger's digest, so that it is not the same clients that meet every trial.
    A larger weight keeps all who were there before.
    """
    if challenger.weight <= 0:
        return False
    digest = blake2b(route_key.encode(), digest_size=8, key=bytes.fromhex(challenger.model.digest)).digest()
    return int.from_bytes(digest, "big") % WEIGHT_STEPS < round(challenger.weight * WEIGHT_STEPS)
