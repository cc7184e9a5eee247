"""Tables that code writes into a page of the documentation, each between two comments."""

from collections.abc import Mapping


def with_tables(page: str, writer: str, tables: Mapping[str, str]) -> str:
    """The page with these tables, by name, as the module `writer` makes them; ValueError if a table has no place."""
    for name, table in tables.items():
        begin, end = f"<!-- {name}: written by {writer} -->", f"<!-- end of {name} -->"
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise ValueError(f"expected a place between {begin} and {end}, found none")
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page
