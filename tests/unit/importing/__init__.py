"""Offline tests of `pushtokens import`."""
