"""Faults of columns and of the document as a whole: other columns, other bytes, no data."""

from collections.abc import Callable, Sequence

import pandas as pd

from benchmarks.spoiled.fault import DataFault, FaultCase, Spoil, as_csv

_PAGE = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>\n"
_HUGE = 200_000  # bytes in one field; the source's limit is 65,536


def framed(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Spoil:
    return lambda case: as_csv(change(case.rows()))


def reordered(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[list(reversed(rows.columns))]


def as_json(case: FaultCase) -> bytes:
    return case.rows().to_json(orient="records").encode()


def line_changed(change: Callable[[bytes], bytes]) -> Spoil:
    """The 100th line of the document is changed."""

    def spoil(case: FaultCase) -> bytes:
        lines = case.year.content(case.table, case.day).split(b"\n")
        lines[100] = change(lines[100])
        return b"\n".join(lines)

    return spoil


def named(texts: Sequence[bytes]) -> Spoil:
    """One more column, with the destination's name in the encoding of `texts`."""

    def spoil(case: FaultCase) -> bytes:
        header, *lines = case.year.content(case.table, case.day).rstrip(b"\n").split(b"\n")
        body = [line + b"," + texts[place % len(texts)] for place, line in enumerate(lines)]
        return b"\n".join([header + b",dest_name", *body, b""])

    return spoil


DOCUMENTS = (
    DataFault("column dropped: distance", framed(lambda rows: rows.drop(columns="distance"))),
    DataFault("column dropped: wind_dir (optional)", framed(lambda rows: rows.drop(columns="wind_dir")), "weather"),
    DataFault("column renamed, to a listed name", framed(lambda rows: rows.rename(columns={"carrier": "airline"}))),
    DataFault("column renamed, to an unknown name", framed(lambda rows: rows.rename(columns={"carrier": "cx"}))),
    DataFault(
        "two columns renamed to each other's names",
        framed(lambda rows: rows.rename(columns={"origin": "dest", "dest": "origin"})),
    ),
    DataFault("column added", framed(lambda rows: rows.assign(gate="A1")), harmless=True),
    DataFault("columns reordered", framed(reordered), harmless=True),
    DataFault("mojibake: UTF-8 read as Latin-1", named(["San José".encode().decode("latin-1").encode(), b"Chicago"])),
    DataFault("bytes that are not UTF-8", named(["San José".encode("latin-1"), b"Chicago"])),
    DataFault("malformed CSV: one field too few", line_changed(lambda line: line.rpartition(b",")[0])),
    DataFault("malformed CSV: one quote too many", line_changed(lambda line: line.replace(b",", b',"', 1))),
    DataFault("malformed CSV: a quote that is never closed", line_changed(lambda line: line.replace(b'",', b",", 1))),
    DataFault("malformed CSV: cut off within a row", lambda case: case.year.content(case.table, case.day)[:-17]),
    DataFault("malformed JSON: cut off", lambda case: as_json(case)[:-400], format="json"),
    DataFault("malformed JSON: an error object", lambda _: b'{"error": "quota exceeded"}', format="json"),
    DataFault("200 with an HTML error page", lambda _: _PAGE),
    DataFault("a huge field", line_changed(lambda line: line.replace(b",", b"," + b"x" * _HUGE, 1))),
)
