"""`smoke` leads two clients through the whole protocol."""
