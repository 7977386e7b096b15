"""The consumer that a Channels tutorial would write, to compare with."""
