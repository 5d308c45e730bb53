"""A fleet of phones that behaves like the real one, and the HTTP client that plays it: `pushtokens simulate`."""
