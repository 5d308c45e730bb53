"""Tests of the sink's pure parts."""
