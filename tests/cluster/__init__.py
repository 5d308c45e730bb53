"""The pipeline on a cluster: three brokers, two workers of each role, and what a carrier's operator does to them."""
