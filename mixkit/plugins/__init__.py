"""Code of the user: loaded from where the user pointed, and the copies of it that a run keeps."""
