"""Faults, load and abuse, at the size of a real system: `make faults`. The tests run the same at a small size."""
