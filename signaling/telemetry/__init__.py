"""What this process counts, and how it is read."""
