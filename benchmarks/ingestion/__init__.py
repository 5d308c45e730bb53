"""The ingress beside the way one would write it first."""
