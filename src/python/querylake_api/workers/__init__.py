"""Several processes behind one socket: their numbers, their parent, and how the two sides talk."""
