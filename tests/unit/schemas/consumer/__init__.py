"""What `schemas` has for the teams downstream."""
