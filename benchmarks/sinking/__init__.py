"""The parts of the sink's benchmark (`benchmarks/sink.py`)."""
