"""An operator's existing tokens, from a file onto the log (`pushtokens import`)."""
