"""Atomic and exclusive writes of files."""

import os

import pytest

from releases.files import create_exclusively, write_atomically


def test_an_exclusive_create_never_replaces(tmp_path):
    target = tmp_path / "deep" / "00000001.json"
    create_exclusively(target, b"first")
    with pytest.raises(FileExistsError):
        create_exclusively(target, b"second")
    assert target.read_bytes() == b"first"
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_content_and_no_temporary_file(tmp_path, monkeypatch):
    target = tmp_path / "state.json"
    write_atomically(target, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_file_has_the_given_mode(tmp_path):
    target = tmp_path / "key.pem"
    create_exclusively(target, b"secret", mode=0o600)
    assert target.stat().st_mode & 0o777 == 0o600
