"""One folder a kind; a package because `trial tests.process` asks for one."""
