"""Requests through fleets: continuous batching, routers, failures, caches, one request at a time and fast."""
