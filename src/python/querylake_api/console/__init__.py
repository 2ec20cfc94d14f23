"""The console for people: pages below `/ui`, the API reference at `/docs`, and what feeds them.

The pages are static and hold no data. A browser asks `/admin/...` with the key of whoever looks,
which stays in the tab.
"""
