"""Work that runs in the event loop beside requests."""
