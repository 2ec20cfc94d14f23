"""Scale-out on a Ray cluster that is there already: the same application as Serve replicas.

Only this package imports Ray, and only who uses Ray imports `deployment`, `replica` and `provider`:
that takes a second and a hundred megabytes.
"""
