"""What staff see: sign-in, the console, the API and metrics."""
