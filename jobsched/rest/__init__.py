"""HTTP, and nothing else knows of it: routes, JSON in and out, authentication, limits.

Imports `registry` and below.
Begin with `site` and `route`; `schemas` says what requests and answers hold.
"""
