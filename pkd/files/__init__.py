"""The directory as a file: records (the shape of a line), export, parse, import_keys."""
