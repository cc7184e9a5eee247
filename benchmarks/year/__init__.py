"""The year 2013 as the flights pipeline sees it: taken in once, then replayed and spoiled."""
