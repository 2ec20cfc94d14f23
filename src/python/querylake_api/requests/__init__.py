"""One request: its id, its body, its client, and what is known of it for the reporters."""
