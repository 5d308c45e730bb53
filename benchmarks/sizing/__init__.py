"""How many machines, partitions and disks a fleet of phones takes: measured costs, formulas, and a storm played out."""
