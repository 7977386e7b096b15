"""What `manage.py doctor` examines: the settings, and everything that the server needs to be there."""
