"""Requests whose replica dies before it answers are given to another, inside Ray Serve's proxies.

Serve's proxy gives a request to a replica, and if that dies it answers 500. Serve calls a function
of ours when a proxy starts, and what it returns stands between the proxy and its clients. Ray takes
this package to every node, whose Python has nothing else of ours: it imports the standard library,
Starlette and Ray.
"""
