"""How errors are worded and sent, in each client protocol's form."""
