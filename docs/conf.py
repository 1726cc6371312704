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

extensions = ["commands", "fields", "modules", "reference", "sphinx_copybutton"]
exclude_patterns = ["_build"]
highlight_language = "none"
smartquotes_action = "qe"  # no dashes: --listen is an option

html_theme = "furo"  # light and dark, as the reader's browser asks
html_static_path = ["_static"]
html_css_files = ["dark.css"]
html_title = f"Jobsched {version}"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7cc0ee", "color-brand-content": "#7cc0ee"},
}
pygments_dark_style = "github-dark"
# What is copied from a session is its commands, without `$` and without what they answered.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"
html_show_copyright = False
html_copy_source = False

# `sphinx-build -W -n -b man docs FOLDER` makes this one; packaging/man has them as they are installed.
man_pages = [
    ("manual", "jobsched", "a job scheduler driven by curl", "", 1),
    ("command", "jobsched-command", "look after jobs from a terminal", "", 1),
]
man_show_urls = False
today = release  # stands where a date would change the page every day
