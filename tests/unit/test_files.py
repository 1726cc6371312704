"""What lies in a folder that others may write: opened without a wait, without a link, and looked at."""

import os
import socket

import pytest

from jobsched import files
from jobsched.files import Replaced

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
NOBODY = 65534
MADE = os.O_WRONLY | os.O_CREAT
NEW = MADE | os.O_EXCL


@pytest.fixture
def folder(tmp_path):
    """With one file in a folder in it, and a secret beside it."""
    (tmp_path / "secret").write_text("secret")
    kept = tmp_path / "kept"
    (kept / "ab").mkdir(parents=True, mode=0o700)
    (kept / "ab" / "one.log").write_text("one")
    return kept


def put(path, kind, target):
    """Something else in the place of a file."""
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(target)
    elif kind == "dangling link":
        path.symlink_to(target.with_name("nowhere"))
    elif kind == "device":
        path.symlink_to("/dev/zero")


KINDS = ["fifo", "socket", "folder", "link", "dangling link", "device"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_is_never_opened(folder, kind):
    """Nor waited for: nobody writes into that FIFO, and nobody reads from it."""
    path = folder / "ab" / "one.log"
    put(path, kind, folder.parent / "secret")
    with pytest.raises(Replaced) as refused:
        files.reading(folder, "ab", "one.log")
    assert (refused.value.filename, refused.value.strerror) == (str(path), "is not a plain file")
    for flags in (MADE, os.O_RDWR | os.O_CREAT, MADE | os.O_APPEND):
        with pytest.raises(OSError):  # noqa: PT011  # a folder cannot be written, says the kernel
            files.opened(folder, "ab", "one.log", flags=flags)
    with pytest.raises(FileExistsError):
        files.opened(folder, "ab", "one.log", flags=NEW)
    assert (folder.parent / "secret").read_text() == "secret"
    assert not (folder.parent / "nowhere").exists()


def test_a_fifo_that_somebody_reads_is_not_written_to(folder):
    path = folder / "ab" / "one.log"
    put(path, "fifo", None)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(Replaced):
        files.opened(folder, "ab", "one.log", flags=MADE)
    os.close(reader)


def test_no_link_leads_out_of_the_folder(folder):
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "one.log").write_text("not ours")
    (folder / "cd").symlink_to(elsewhere)
    for act in (files.reading, files.opened, files.delete):
        with pytest.raises(Replaced) as refused:
            act(folder, "cd", "one.log")
        assert (refused.value.filename, refused.value.strerror) == (str(folder / "cd"), "is not a folder")
    with pytest.raises(Replaced):
        files.opened(folder, "cd", "new.log", flags=NEW)
    with pytest.raises(Replaced):
        files.listed(folder, "cd")
    assert sorted(path.name for path in elsewhere.iterdir()) == ["one.log"]


def test_the_folder_itself_may_be_a_link_of_its_operator(folder):
    link = folder.parent / "link"
    link.symlink_to(folder)
    with files.reading(link, "ab", "one.log") as file:
        assert file.read() == b"one"
    os.close(files.opened(link, "ab", "new.log", flags=NEW))
    assert [name for name, _ in sorted(files.listed(link, "ab"))] == ["new.log", "one.log"]
    files.delete(link, "ab", "one.log")
    assert [name for name, _ in files.listed(folder, "ab")] == ["new.log"]
    assert (folder / "ab" / "new.log").stat().st_mode & 0o777 == 0o600


def test_what_is_not_there_is_not_there(folder):
    for names in (("ab", "two.log"), ("cd", "one.log")):
        for act in (files.reading, files.opened, files.delete):
            with pytest.raises(FileNotFoundError) as gone:
                act(folder, *names)
            assert str(folder) in str(gone.value) or act is files.delete
    assert files.listed(folder, "cd") == []
    assert files.listed(folder.parent / "nowhere", "ab") == []


def test_a_link_is_listed_and_deleted_as_what_it_is(folder):
    secret = folder.parent / "secret"
    os.utime(secret, (1, 1))
    (folder / "ab" / "two.log").symlink_to(secret)
    found = dict(files.listed(folder, "ab"))
    assert found["two.log"].st_mtime > 1_000_000
    files.delete(folder, "ab", "two.log")
    assert secret.read_text() == "secret"


def test_a_second_name_of_a_file_is_nothing_in_a_closed_folder(folder):
    """A backup may be made so."""
    os.link(folder / "ab" / "one.log", folder.parent / "backup")
    files.reading(folder, "ab", "one.log").close()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_where_others_may_write_a_second_name_is_refused(folder, mode):
    path = folder / "ab" / "one.log"
    (folder / "ab").chmod(mode)
    files.reading(folder, "ab", "one.log").close()
    path.unlink()
    os.link(folder.parent / "secret", path)
    for flags in (os.O_RDONLY, MADE):
        with pytest.raises(Replaced, match="is a file that lies elsewhere too"):
            files.opened(folder, "ab", "one.log", flags=flags)


@ROOT_ONLY
def test_a_strangers_file_is_refused_unless_the_folder_is_his(folder):
    os.chown(folder / "ab" / "one.log", NOBODY, NOBODY)
    with pytest.raises(Replaced, match="belongs to another user"):
        files.reading(folder, "ab", "one.log")
    os.chown(folder, NOBODY, NOBODY)
    files.reading(folder, "ab", "one.log").close()


@ROOT_ONLY
def test_in_a_folder_of_another_user_a_second_name_is_refused(folder):
    (folder / "ab" / "one.log").unlink()
    os.link(folder.parent / "secret", folder / "ab" / "one.log")
    files.reading(folder, "ab", "one.log").close()
    os.chown(folder / "ab", NOBODY, NOBODY)
    with pytest.raises(Replaced, match="is a file that lies elsewhere too"):
        files.reading(folder, "ab", "one.log")


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_an_operator_named_is_not_waited_for_either(tmp_path, kind):
    put(tmp_path / "catalog.cfg", kind, None)
    with pytest.raises(OSError):  # noqa: PT011  # whatever the kernel says of a folder
        files.plain(tmp_path / "catalog.cfg")


def test_a_link_to_what_an_operator_named_is_followed(tmp_path):
    (tmp_path / "real").write_text("text")
    (tmp_path / "catalog.cfg").symlink_to("real")
    assert files.plain(tmp_path / "catalog.cfg") == b"text"


def test_no_descriptor_is_left_open(folder):
    put(folder / "ab" / "two.log", "link", folder.parent / "secret")
    put(folder / "ab" / "three.log", "fifo", None)
    before = os.listdir("/proc/self/fd")
    for name in ("one.log", "two.log", "three.log", "four.log"):
        try:
            files.reading(folder, "ab", name).close()
        except OSError:
            assert name != "one.log"
    with pytest.raises(OSError):  # noqa: PT011  # as above
        files.delete(folder, "cd", "x")
    files.listed(folder, "ab")
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(("mode", "open_"), [(0o700, False), (0o755, False), (0o770, True), (0o1777, True)])
def test_a_folder_that_others_may_write_is_known(tmp_path, mode, open_):
    tmp_path.chmod(mode)
    assert files.open_to_others(tmp_path) is open_
    tmp_path.chmod(0o700)
