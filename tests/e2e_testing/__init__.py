"""What end-to-end tests stand on: the built programs as processes."""
