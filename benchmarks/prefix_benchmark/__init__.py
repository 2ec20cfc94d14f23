"""How well replicas share their prefix caches behind several routers."""
