"""Tests of the sink against the real engines."""
