"""What the record says beyond 0003.

An expansion: a daemon of 0003 goes on beside it, and leaves what is new as it was.
"""

from __future__ import annotations

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
