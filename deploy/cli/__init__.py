"""The `pushtokens` command."""
