"""What `make bench` measures: each role beside its peers and its limits, in one run on one machine."""
