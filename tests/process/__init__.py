"""Real children, threads and sockets: TestCases run by trial, not by pytest."""
