"""What can be opened: PDF files and images."""
