"""What the doubles have in common: their record, clock, faults, control interface, and process."""
