"""Settings of Sphinx: `sphinx-build -W -n -b html docs FOLDER` makes the pages."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from jobsched import __version__  # noqa: E402  # found by the line above

project = "Jobsched"
author = "The Jobsched authors"
copyright = author  # the name that Sphinx asks for
version = release = __version__

extensions = ["commands", "fields", "modules"]
exclude_patterns = ["_build"]
highlight_language = "none"
smartquotes_action = "qe"  # no dashes: --listen is an option

html_theme = "alabaster"
html_theme_options = {"description": "A job scheduler driven by curl", "show_powered_by": False}
html_show_copyright = False
html_copy_source = False

# `sphinx-build -W -n -b man docs FOLDER` makes this one; packaging/man has them as they are installed.
man_pages = [
    ("manual", "jobsched", "a job scheduler driven by curl", "", 1),
    ("command", "jobsched-command", "look after jobs from a terminal", "", 1),
]
man_show_urls = False
today = release  # stands where a date would change the page every day
