"""The embedded engines and the supervisor behind `make run`."""
