"""Data sets fetched and unpacked, whole or not at all."""
