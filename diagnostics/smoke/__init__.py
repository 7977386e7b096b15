"""`smoke` takes two clients through the whole protocol."""
