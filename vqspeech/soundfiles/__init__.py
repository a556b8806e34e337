"""Sound files of every kind, read to their end: what their bytes say (`containers`), and their samples (`reader`)."""
