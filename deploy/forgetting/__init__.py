"""Forgetting somebody everywhere (`pushtokens forget`)."""
