"""The counts of this process, and their readings for the dashboard and `/metrics`."""
