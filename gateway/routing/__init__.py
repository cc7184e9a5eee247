"""Which version answers a request: the active release, its versions in order, its shadow, and later releases."""
