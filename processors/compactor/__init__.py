"""The newest pair per selector: merge, table, Faust wiring, lookup."""
