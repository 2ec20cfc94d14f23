"""The pages of docs/reference, written from the programs themselves."""
