"""The live page: screens for people, made by the server and complete without scripts.

Imports `http`, `registry` and below.
Begin with `app`, which lists the screens, and `frame`, which stands around each of them.
"""
