"""One module for each revision; `down_revision` chains them."""
