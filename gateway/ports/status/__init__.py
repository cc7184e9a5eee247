"""The status page: serving what, how well, since when. It is built only while somebody watches it."""
