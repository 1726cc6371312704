"""`python -m jobsched.executor STATE NAME OUTPUT_LIMIT UMASK [ALONE]`: executes runs until it is not needed."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.modules["OpenSSL"] = None  # type: ignore[assignment]  # Twisted would load it for TLS: 13 MB, and 50 ms
    from .program import main

    main(sys.argv[1:])
