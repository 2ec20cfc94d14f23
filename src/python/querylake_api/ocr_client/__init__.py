"""Documents to Markdown: the OCR service, behind the API's keys, limits and ledger."""
