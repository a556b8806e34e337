"""Sound files of all formats, read to their end: their containers (`containers`) and samples (`reader`)."""
