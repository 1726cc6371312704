"""Packaging. The tools' settings are in pyproject.toml, the tested versions in requirements*.txt."""

import re
from glob import glob
from os.path import isfile
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "jobsched/__init__.py").read_text(), re.MULTILINE)[1]


def files(folder: str) -> list[str]:
    """The plain files of a folder: tasks/ gets a __pycache__ as soon as the daemon has run."""
    return sorted(filter(isfile, glob(f"{folder}/*")))


setup(
    name="jobsched",
    version=VERSION,
    description="A job scheduler driven by curl",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    author="The Jobsched authors",
    license="MIT",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: No Input/Output (Daemon)",
        "Framework :: Twisted",
        "License :: OSI Approved :: MIT License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Topic :: System :: Distributed Computing",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    # Makes `pip install -e` write a plain .pth: the search for plugins walks sys.path and sees no import hook.
    package_dir={"": "."},
    # twisted.plugins is no package of ours (an __init__.py there would hide Twisted), so it is named by hand.
    packages=[*find_packages(include=["jobsched", "jobsched.*"]), "twisted.plugins"],
    package_data={
        "jobsched": ["py.typed"],
        "jobsched.ui": ["templates/*", "static/*"],
        "jobsched.store.sql": ["migrations/*.py", "migrations/script.py.mako", "migrations/versions/*.py"],
    },
    data_files=[
        ("share/jobsched/conf", files("conf")),
        ("share/jobsched/tasks", files("tasks")),
        ("share/jobsched/packaging", files("packaging")),
        ("share/jobsched/docs", ["docs/alerts.yml", "docs/grafana.json"]),
        ("share/man/man1", files("packaging/man")),  # made from docs/manual.rst: see tests/unit/test_manual.py
    ],
    zip_safe=False,
    # The floors are what was tested; requirements.txt pins the whole closure.
    entry_points={"console_scripts": ["jobsched = jobsched.cli.app:script"]},
    install_requires=[
        "Twisted>=26.10,<27",  # until somebody has looked: see jobsched/twisted_private.py
        "klein>=24.8",
        "Jinja2>=3.1",
        "treq>=26.7",  # brings what Twisted's `ssl:` and `tls:` endpoints need
        "attrs>=26.1",
        "msgspec>=0.22",
        "SQLAlchemy>=2.1,<3",
        "alembic>=1.20,<2",
        "cronsim>=2.8",
        "tzdata",  # a slim host has no zones of its own
        "prometheus_client>=0.26",
        "PyYAML>=6.0.3",  # its parser alone, the one in C
        "tomli-w>=1.2",
        "click>=8.2",
        "rich>=14",
        "platformdirs>=4",
        "google-re2>=1.1",  # looks for what a stranger's expression says, in time that can be foretold
    ],
    extras_require={
        "postgresql": ["psycopg[binary]>=3.1"],
        "mysql": ["PyMySQL>=1.1"],
        "test": [
            "pytest>=9.2",
            "psutil>=7.2",
            "pytest-twisted>=1.14.3",
            "hypothesis>=6.170",
            "schemathesis>=4.32",
            "standardwebhooks>=1.1",
        ],
        "docs": ["sphinx>=9.0", "furo>=2025.12", "sphinx-copybutton>=0.5.2"],
    },
)
