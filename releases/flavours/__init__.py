"""Flavours: the file formats of models, each in one file and read without running code from the file."""
