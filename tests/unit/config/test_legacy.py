"""What an old SCHED_CONFIG said to APScheduler, in our words."""

from datetime import UTC
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from jobsched.config.legacy import translate, with_driver
from jobsched.config.legacy_mongo import url_of

SQL2, SQL3 = "apscheduler.jobstores.sqlalchemy_store:SQLAlchemyJobStore", "apscheduler.jobstores.sqlalchemy"
POOL3 = "apscheduler.executors.pool:ThreadPoolExecutor"


def old(options):
    return {f"apscheduler.{name}": value for name, value in options.items()}


@pytest.mark.parametrize(
    ("options", "ours"),
    [
        # 2.x
        ({"misfire_grace_time": 30}, {"misfire_grace": 30}),
        ({"misfire_grace_time": "30"}, {"misfire_grace": 30}),
        ({"coalesce": True}, {"catch_up": "latest"}),
        ({"coalesce": "false"}, {"catch_up": "all"}),
        ({"daemonic": False, "standalone": True, "threadpool.keepalive": 3}, {}),
        ({"threadpool.max_threads": 5}, {"threads": 5}),
        ({"threadpool.max_threads": "5", "threadpool.core_threads": "8"}, {"threads": 8}),
        ({"threadpool.max_threads": 5, "threadpool.core_threads": 0}, {"threads": 5}),
        ({"threadpool.core_threads": 3}, {"threads": 20}),
        ({"threadpool.core_threads": 30}, {"threads": 30}),
        (
            {"jobstore.default.class": SQL2, "jobstore.default.url": "sqlite:///jobs.sqlite"},
            {"store": "sqlite:///jobs.sqlite"},
        ),
        ({"jobstore.db.class": SQL2, "jobstore.db.url": "mysql://u:p@h/d"}, {"store": "mysql+pymysql://u:p@h/d"}),
        # 3.x
        ({"job_defaults.coalesce": "true"}, {"catch_up": "latest"}),
        ({"job_defaults": {"coalesce": False, "max_instances": 1}}, {"catch_up": "all", "overlap": "skip"}),
        ({"job_defaults.misfire_grace_time": None}, {"misfire_grace": None}),
        ({"job_defaults.max_instances": "1"}, {"overlap": "skip"}),
        ({"timezone": "Europe/Berlin"}, {"timezone": "Europe/Berlin"}),
        ({"timezone": ZoneInfo("Europe/Berlin")}, {"timezone": "Europe/Berlin"}),
        ({"timezone": SimpleNamespace(zone="Asia/Tokyo")}, {"timezone": "Asia/Tokyo"}),
        ({"timezone": UTC}, {"timezone": "UTC"}),
        ({"executors.default.class": POOL3, "executors.default.max_workers": "7"}, {"threads": 7}),
        ({"executors.default": {"type": "threadpool", "max_workers": 7}}, {"threads": 7}),
        ({"executors": {"default": {"type": "threadpool"}}}, {"threads": 10}),
        ({"jobstores.default": {"type": "sqlalchemy", "url": "sqlite:////a/b"}}, {"store": "sqlite:////a/b"}),
        (
            {"jobstores.default.class": f"{SQL3}:SQLAlchemyJobStore", "jobstores.default.url": "postgres://h/d"},
            {"store": "postgresql+psycopg://h/d"},
        ),
        ({"jobstores": {"default": {"type": "sqlalchemy", "url": "mysql://h/d"}}}, {"store": "mysql+pymysql://h/d"}),
    ],
)
def test_an_old_option_is_said_in_our_words(options, ours):
    assert translate(old(options)) == (ours, [])


@pytest.mark.parametrize(
    ("options", "ours", "warnings"),
    [
        ({"max_instances": 3}, {"overlap": "allow"}, [("max_instances", "the number 3 itself is not kept")]),
        ({"job_defaults.max_instances": "x"}, {}, [("job_defaults.max_instances", "a number above 0, not 'x'")]),
        ({"coalesce": "perhaps"}, {}, [("coalesce", "must be true or false, not 'perhaps'")]),
        ({"misfire_grace_time": -1}, {}, [("misfire_grace_time", "above 0, not -1")]),
        ({"misfire_grace_time": True}, {}, [("misfire_grace_time", "above 0, not True")]),
        ({"timezone": 3}, {}, [("timezone", "not the name of a zone: 3")]),
        ({"threadpool.max_threads": "x"}, {}, [("threadpool.max_threads", "above 0, not 'x'")]),
        ({"threadpool.max_threads": []}, {}, [("threadpool.max_threads", "above 0, not []")]),
        ({"threadpool": "my.pool"}, {}, [("threadpool", "not known")]),
        ({"nonsense": {"a": 1}}, {}, [("nonsense.a", "not known")]),
        ({"executors.default": {"type": "threadpool", "max_workers": 0}}, {}, [("executors.default.max_workers", "")]),
        (
            {"executors.processpool": {"type": "processpool", "max_workers": 5}},
            {},
            [("executors.processpool", "@watchdog")],
        ),
        ({"executors.default": object()}, {}, [("executors.default", "an object cannot be followed")]),
        (
            {
                "jobstore.file.class": "apscheduler.jobstores.shelve_store:ShelveJobStore",
                "jobstore.file.path": "/a/dbfile",
            },
            {"store": "sqlite:////a/dbfile.sqlite"},
            [("jobstore.file.path", "kept in /a/dbfile.sqlite; those in the old shelf are not read")],
        ),
        (
            {"jobstore.default.class": SQL2, "jobstore.default.url": "sqlite:///a", "jobstore.default.tablename": "t"},
            {"store": "sqlite:///a"},
            [("jobstore.default.tablename", "not known here")],
        ),
        (
            {"jobstore.default.class": "apscheduler.jobstores.ram_store:RAMJobStore"},
            {},
            [("jobstore.default", "the default store: they outlive a restart")],
        ),
        ({"jobstores.default": {"type": "memory"}}, {}, [("jobstores.default", "the default store")]),
        (
            {"jobstores.default": {"type": "sqlalchemy", "url": "sqlite://"}},
            {},
            [("jobstores.default", "jobs are kept on disk here")],
        ),
        (
            {"jobstores.default": {"type": "sqlalchemy", "engine": object()}},
            {},
            [("jobstores.default", "sqlalchemy without a url cannot be followed: the default store is used")],
        ),
        (
            {"jobstores.default": {"type": "redis", "host": "h"}},
            {},
            [("jobstores.default", "redis cannot be followed: the default store is used instead")],
        ),
        (
            {
                "jobstore.default.class": "apscheduler.jobstores.mongodb_store:MongoDBJobStore",
                "jobstore.default.database": "d",
                "jobstore.default.collection": "c",
                "jobstore.default.pickle_protocol": "2",
            },
            {"store": "mongodb://localhost/d_jobsched"},
            [
                ("jobstore.default", "jobs are kept in the database d_jobsched; those in d.c are not read"),
                ("jobstore.default.pickle_protocol", "not known here"),
            ],
        ),
        (
            {"jobstores.default": {"type": "mongodb", "client": object()}},
            {},
            [("jobstores.default", "mongodb cannot be followed: the default store is used instead")],
        ),
        (
            {"jobstores.default": {"type": "mongodb", "host": object()}},
            {},
            [("jobstores.default", "no server of MongoDB is named: the default store is used instead")],
        ),
        ({"jobstores.default": {"url": "sqlite:///a"}}, {}, [("jobstores.default", "no class cannot be followed")]),
        (
            {
                "jobstores.mongo": {"type": "mongodb"},
                "jobstores.default": {"type": "sqlalchemy", "url": "sqlite:///jobs.sqlite"},
            },
            {"store": "sqlite:///jobs.sqlite"},
            [("jobstores.mongo", "there is one store here, taken from apscheduler.jobstores.default")],
        ),
    ],
)
def test_what_cannot_be_followed_is_named_in_a_warning(options, ours, warnings):
    found, told = translate(old(options))

    assert found == ours
    assert len(told) == len(warnings)
    for line, (key, words) in zip(told, warnings, strict=True):
        assert line.startswith(f"SCHED_CONFIG['apscheduler.{key}']: ")
        assert words in line


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "mongodb://localhost/new"),
        ({"host": "h", "port": "27018"}, "mongodb://h:27018/new"),
        ({"host": ["a:1", "b"], "port": 2, "replicaSet": "rs"}, "mongodb://a:1,b/new?replicaSet=rs"),
        (
            {"host": "h", "username": "ann", "password": "p@s/s", "authSource": "old", "tls": True},
            "mongodb://ann:p%40s%2Fs@h/new?authSource=old&tls=true",
        ),
        ({"host": "mongodb://ann:pw@h:1/old"}, "mongodb://ann:pw@h:1/new?authSource=old"),
        ({"host": "mongodb+srv://ann:pw@h/?w=1", "port": 3}, "mongodb+srv://ann:pw@h/new?w=1&authSource=admin"),
    ],
)
def test_the_old_options_of_mongodb_are_a_url(options, url):
    assert url_of(options, "new") == url
    assert options == {}


def test_a_key_of_ours_stays_and_wins():
    given = {"threads": 3, "overlap": "queue", 7: "x", "apscheduler.threadpool.max_threads": 5}
    found, told = translate(given)  # type: ignore[arg-type]  # a file of Python may hold such a key

    assert found == {"threads": 3, "overlap": "queue", 7: "x"}
    assert told == ["SCHED_CONFIG['apscheduler.threadpool.max_threads']: not used: SCHED_CONFIG['threads'] is set"]


def test_the_whole_example_of_apscheduler_3_is_understood():
    found, told = translate(
        {
            "apscheduler.jobstores.mongo": {"type": "mongodb"},
            "apscheduler.jobstores.default": {"type": "sqlalchemy", "url": "sqlite:///jobs.sqlite"},
            "apscheduler.executors.default": {"class": POOL3, "max_workers": "20"},
            "apscheduler.executors.processpool": {"type": "processpool", "max_workers": "5"},
            "apscheduler.job_defaults.coalesce": "false",
            "apscheduler.job_defaults.max_instances": "3",
            "apscheduler.timezone": "UTC",
        }
    )

    assert found == {
        "store": "sqlite:///jobs.sqlite",
        "threads": 20,
        "catch_up": "all",
        "overlap": "allow",
        "timezone": "UTC",
    }
    assert len(told) == 3


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("sqlite:///a", "sqlite:///a"),
        ("mysql://h/d", "mysql+pymysql://h/d"),
        ("mysql+mysqldb://h/d", "mysql+pymysql://h/d"),
        ("postgres://h/d?x=1", "postgresql+psycopg://h/d?x=1"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg://h/d"),
        ("oracle://h/d", "oracle://h/d"),
    ],
)
def test_a_database_url_names_the_driver_we_ship_with(url, ours):
    assert with_driver(url) == ours
