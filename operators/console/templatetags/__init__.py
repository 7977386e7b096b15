"""The template tags and filters of this app."""
