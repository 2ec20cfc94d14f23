"""How the code is built: rooms, floors, circles, sizes; compared between two revisions."""
