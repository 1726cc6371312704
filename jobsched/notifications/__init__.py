"""Sends what the outbox in the store holds: looks at addresses, signs, tries again.

Imports `store` and below.
Begin with `dispatcher`; `endpoint` guards where a request may go.
"""
