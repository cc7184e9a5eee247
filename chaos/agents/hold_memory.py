"""Holds memory, and is the first process that the kernel would end for it: `... KEEP_FILE SECONDS BYTES LEFT_BYTES`.

It takes the memory in pieces, and no further one once less than LEFT_BYTES of the machine are available.
"""

import mmap
import sys
from pathlib import Path

import psutil

from chaos.agents.agent import keep_active

PIECE_BYTES = 16 * 2**20
FIRST_TO_BE_ENDED = "1000"
_pieces: list[mmap.mmap] = []


def hold(wanted_bytes: int, left_bytes: int) -> None:
    """Take another piece, or give one back where the machine has too little left."""
    available = psutil.virtual_memory().available
    if available < left_bytes and _pieces:
        _pieces.pop().close()
    elif available > left_bytes + PIECE_BYTES and len(_pieces) * PIECE_BYTES < wanted_bytes:
        piece = mmap.mmap(-1, PIECE_BYTES)
        for page in range(0, PIECE_BYTES, mmap.PAGESIZE):
            piece[page] = 1  # until it is written, a page takes no memory
        _pieces.append(piece)


if __name__ == "__main__":
    Path("/proc/self/oom_score_adj").write_text(FIRST_TO_BE_ENDED)
    wanted, left = (int(word) for word in sys.argv[3:])
    keep_active(sys.argv[1:3], lambda: hold(wanted, left))
