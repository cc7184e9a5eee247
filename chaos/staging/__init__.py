"""Drills against a stack that is not local: the target file, its credentials, and what a drill may and can break there.

`AUTOPILOT_DRILL_TARGET` names the file. Each process of a drill inherits it, so that secrets are read where they are
used and are never passed on.
"""
