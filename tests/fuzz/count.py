"""What each test of the stage has tried, for the last lines of its output."""

COUNTS: list[str] = []
