"""Secrets in jobsched.cfg, and who can read it."""

import pytest

from jobsched.config import options

TOKEN = "0123456789abcdef0123456789abcdef"
SECRET = "a secret of sixteen or more"
STORE = 'SCHED_CONFIG = {"store": "postgresql://jobs:p%40ss@db/jobs"}\n'
ALL_CAN = "all users of this machine can read it, and it holds "


def warnings(folder, text, mode):
    path = folder / "jobsched.cfg"
    path.write_text(text)
    path.chmod(mode)
    return options.load(folder, folder).warnings


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (f"CLUSTER_TOKEN = '{TOKEN}'\n", "CLUSTER_TOKEN"),
        (f"NOTIFY_SECRET = '{SECRET}'\n", "NOTIFY_SECRET"),
        (f"NOTIFY_SECRET = ['{SECRET}', 'another {SECRET}']\n", "NOTIFY_SECRET"),
        (STORE, "the password of the store"),
        ('SCHED_CONFIG = {"store": "postgresql://db/jobs?user=a&password=p%40ss"}\n', "the password of the store"),
        (
            'from urllib.parse import quote\nSCHED_CONFIG = {"store": f"postgresql://jobs:{quote(\'p@ss\')}@db/jobs"}\n',
            "the password of the store",
        ),
        (f"CLUSTER_TOKEN = '{TOKEN}'\n{STORE}", "CLUSTER_TOKEN and the password of the store"),
    ],
)
def test_a_secret_that_all_can_read_is_a_warning_without_it(tmp_path, text, held):
    for mode in (0o644, 0o604):
        assert warnings(tmp_path, text, mode) == (f"{ALL_CAN}{held}; chmod it to 0600 or 0640",)
    for mode in (0o640, 0o600):
        assert warnings(tmp_path, text, mode) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# CLUSTER_TOKEN = None\n",
        "from pathlib import Path\nCLUSTER_TOKEN = Path(__file__).with_name('token').read_text()\n",
        'SCHED_CONFIG = {"store": "postgresql://jobs@db/jobs"}\n',
        'SCHED_CONFIG = {"store": "postgresql://[::1/jobs"}\n',
    ],
)
def test_without_a_secret_in_it_all_may_read_it(tmp_path, text):
    (tmp_path / "token").write_text(TOKEN)
    assert warnings(tmp_path, text, 0o644) == ()
