"""Sends the notifications in the outbox of the store: checks addresses, signs, tries again.

Imports `store` and below.
Begin with `dispatcher`; `endpoint` guards where a request may go.
"""
