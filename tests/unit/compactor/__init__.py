"""Unit tests of the compactor: offline."""
