"""An HTTP server's bounds for engines, which have uvicorn listen for them."""
