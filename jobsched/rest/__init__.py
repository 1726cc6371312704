"""The calls of the API, as routes by noun.

Imports `http`, `why` and below.
Begin with `api`, which lists the calls; `openapi` describes them.
"""
