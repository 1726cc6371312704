"""The command `jobsched`: a client of the HTTP API for a person at a terminal, with no way in of its own.

Every start pays for what it imports: commands are imported when they are called, rich when a table is drawn.
"""
