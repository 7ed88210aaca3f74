"""Reports: one judged run, told to people and to machines."""
