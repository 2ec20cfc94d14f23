"""What a request may say, how the engine is asked, and what an answer looks like."""
