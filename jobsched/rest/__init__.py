"""HTTP, and nothing else knows of it: routes, JSON in and out, authentication, limits.

Imports `registry` and below.
Begin with `app`, which is Klein's, and `route`; `schemas` says what requests and answers hold.
"""
