"""The account of an incident, and the page that is written when it ends."""
