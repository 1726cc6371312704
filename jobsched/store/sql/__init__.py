"""The store on SQLite, PostgreSQL and MariaDB. SQL stands here and nowhere else.

Imports `model` and the bottom modules.
Begin with `tables` and `claims`; `store` runs a function in a transaction, in a thread, and `nouns` has the methods of
the contract.
"""
