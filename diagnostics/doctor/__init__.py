"""The examinations of `manage.py doctor`: the settings, and everything that the server needs to be there."""
