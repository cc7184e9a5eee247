"""The faults, one per file. Each can inject itself, prove that it is active, and be undone, also twice.

A fault that the catalogue can name also has `prepare`, which makes it from the arguments of an entry; `KIND` is
its name there, and `chaos.faults.kinds` finds it.
"""
