"""The ledger: one record for every request to a model, on disk first and then in PostgreSQL."""
