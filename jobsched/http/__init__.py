"""What all that is served by HTTP has in common: the server and its limits, who asks, requests and their errors.

Imports `registry` and below.
Begin with `app`, which is Klein's, and `route`; `site` is the server, `schemas` says what requests and answers hold.
"""
