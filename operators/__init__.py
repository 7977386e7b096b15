"""The pages and interfaces for staff: sign-in, the console, the API and metrics."""
