"""Renders Chaos Toolkit experiments from the catalogue.

python -m chaos.compose         writes chaos/experiments/ from chaos/catalogue/, and docs/recovery.md
"""
