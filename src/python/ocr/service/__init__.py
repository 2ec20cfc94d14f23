"""Conversion as a service: jobs that survive a crash, pages in processes of their own."""
