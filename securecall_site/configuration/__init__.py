"""Values of the settings that are long and read no environment variable."""
