"""Who judges and acts, and how each worker takes part."""
