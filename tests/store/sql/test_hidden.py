"""What a failing statement says, which may go to the log whole: never the values of its row."""

import traceback

import attrs
import pytest
from sqlalchemy.exc import IntegrityError

from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql.db_errors import make_url_safe
from tests.store.samples import job
from tests.store.sql.desk import SqlDesk


def test_a_statement_that_fails_does_not_tell_its_values(store_url):
    desk = SqlDesk.at(store_url)
    made = attrs.evolve(job(), parameters={"password": "hunter22"}, name="a name of ours")
    try:
        desk.write(job_rows.add, [made])
        with pytest.raises(IntegrityError) as twice:
            desk.write(job_rows.add, [made])
    finally:
        desk.close()

    said = "".join(traceback.format_exception(twice.value))
    assert "INSERT INTO jobs" in said
    assert "hunter22" not in said
    assert "a name of ours" not in said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://u:hunter22@h:5/d", "postgresql+psycopg://u:***@h:5/d"),
        ("postgresql+psycopg://h/d?user=u&password=hunter22", "postgresql+psycopg://h/d?user=u"),
        ("mysql+pymysql://u@h/d?Passwd=hunter22&charset=utf8", "mysql+pymysql://u@h/d?charset=utf8"),
        ("sqlite:////srv/jobs.sqlite", "sqlite:////srv/jobs.sqlite"),
        ("postgresql://u:hunter22@h:five/d", "the given URL"),
    ],
)
def test_the_url_of_a_store_is_told_without_its_password(url, shown):
    assert make_url_safe(url) == shown
