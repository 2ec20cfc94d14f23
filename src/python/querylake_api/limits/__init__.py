"""How much a key may ask: requests and tokens a minute, and requests at once."""
