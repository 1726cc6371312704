"""A process that has loaded a task's file and forks a process for each run of its tasks.

`python -m jobsched.runner.fork_server FILE`: so that a run need not start a Python and load the file each time.
`warm` is its parent, and the parent of each process that is forked: by clone(2) with CLONE_PARENT, so that the parent
waits for it and signals it as for any other. Stdlib only, and no thread, for a fork copies only the one that asks.

Descriptors: 4 is a socket on which the parent asks for forks, 1 takes what the file prints, 3 says what became of the
load. For each fork the parent passes the stdin, the output and a socket of its own. On that the new process tells its
id and waits for its environment; if the socket ends before that, nobody wants this process, and it ends. Until it leads
a session it is in the group of its server, which the parent kills and waits for as a whole.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import platform
import signal
import socket
import sys

from jobsched.config import source
from jobsched.runner import child
from jobsched.runner.fork_check import Seen, unfit

TYPE_CHECKING = False  # as `typing` has it, without its import
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

ASKS, PRINTS, TELLS = 4, 1, 3  # descriptors
READY = b"ready"  # all else that is told is the reason why runs must start cold
MARK = "JOBSCHED_RUN_ID"
NOBODY = "0" * 36  # the mark that the server itself is started with, as long as that of any run
LENGTH = 8  # bytes in front of an environment, the highest first
# Numbers of the system calls clone, set_robust_list and get_robust_list, and of what they and prctl are told.
CALLS = {"x86_64": (56, 273, 274), "aarch64": (220, 99, 100)}
CLONE_PARENT, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x00008000, 0x00200000, 0x01000000
PR_SET_PDEATHSIG, PR_GET_TID_ADDRESS = 1, 40


def argv(file: str) -> list[str]:
    """The command line that starts a server for the tasks of a file."""
    return [sys.executable, "-u", "-m", "jobsched.runner.fork_server", file]


def packed(env: Mapping[bytes, bytes | str]) -> bytes:
    """An environment, as a new process reads it."""
    body = b"\0".join(b"%s=%s" % (os.fsencode(name), os.fsencode(value)) for name, value in env.items())
    return len(body).to_bytes(LENGTH, "big") + body


def main() -> None:
    """Load, tell what became of it, and fork until the parent goes. Returns only in processes that were forked."""
    (file,) = sys.argv[1:]
    _die_with_parent()
    for each in (ASKS, TELLS):
        os.set_inheritable(each, False)
    mark = ctypes.CDLL(None)["getenv"]
    mark.restype = ctypes.c_void_p
    address: int | None = mark(MARK.encode())
    os.environ.pop(MARK, None)
    before, finalizers = Seen(), _finalizers()
    module, cold = _loaded(file)
    thread = _ThreadOfC.here()
    cold = cold or unfit(before, thread is not None and address is not None)
    os.write(TELLS, cold.encode("utf-8", "backslashreplace") if cold else READY)
    os.close(TELLS)
    if cold or module is None or address is None or thread is None:
        os._exit(0)
    gc.collect()
    plain = _finalizers() <= finalizers
    gc.freeze()  # what is loaded stays; a collection would write into pages that all share
    env = _serve(socket.socket(fileno=ASKS), thread)
    if env is None:
        os._exit(0)  # what the file has registered for an end is for those of its runs
    _mark(address, env)
    os.environ.clear()
    os.environ.update(env)
    if (threading := sys.modules.get("threading")) is not None:
        threading.main_thread()._set_native_id()  # no Python before 3.13 does
    sys.argv = [child.__file__]
    try:
        child.main(lambda _file: module)
        if plain:
            _end()
    finally:
        gc.unfreeze()  # Python's own end lets go of that too


def _die_with_parent() -> None:
    """Also while the file is loaded, which may take for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # of this process, and of none that it forks
    with socket.socket(fileno=os.dup(ASKS)) as asks:
        try:
            if not asks.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                os._exit(0)
        except BlockingIOError:
            return


def _loaded(file: str) -> tuple[ModuleType | None, str]:
    try:
        return source.load(file), ""
    except BaseException as error:  # a cold start shows it, in the output of the run
        return None, f"it cannot be loaded: {type(error).__name__}"


class _ThreadOfC:
    """What the C library keeps of this thread and has told the kernel, which its own fork would set anew."""

    def __init__(self, calls: tuple[int, int, int], tid: int, robust: int, size: int) -> None:
        self.clone, self.set_robust, _ = calls
        self.tid = tid  # address of the thread's id
        self.robust, self.size = robust, size  # the list of locks that are to be let go when it dies

    @classmethod
    def here(cls) -> _ThreadOfC | None:
        """That of this process; None: it cannot be found out, or not on this processor."""
        calls = CALLS.get(platform.machine())
        if calls is None:
            return None
        of_c = ctypes.CDLL(None)
        tid, robust, size = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_size_t()
        if of_c.prctl(PR_GET_TID_ADDRESS, ctypes.byref(tid), 0, 0, 0) or not tid.value:
            return None
        if of_c.syscall(calls[2], 0, ctypes.byref(robust), ctypes.byref(size)) or not robust.value:
            return None
        if ctypes.c_int.from_address(tid.value).value != os.getpid():  # another C library keeps something else there
            return None
        return cls(calls, tid.value, robust.value, size.value)


def _serve(asks: socket.socket, thread: _ThreadOfC) -> dict[str, str] | None:
    """Fork whenever asked to. Returns the environment in a new process; None here, when the parent has gone."""
    while True:
        word, descriptors, _, _ = socket.recv_fds(asks, 1, 3)
        if not word:
            return None
        if _fork(thread) == 0:
            asks.close()
            return _begun(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork(thread: _ThreadOfC) -> int:
    """As `os.fork`, but the new process is a child of this one's parent.

    PyDLL keeps Python's lock, so that nothing of Python happens between these calls. Of what the C library would do in
    the child, for a process without threads, all is done here but to call what libraries want to be called.
    """
    python, of_c = ctypes.pythonapi, ctypes.PyDLL(None)
    tid, robust, size = ctypes.c_void_p(thread.tid), ctypes.c_void_p(thread.robust), ctypes.c_size_t(thread.size)
    flags = CLONE_PARENT | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | signal.SIGCHLD
    python.PyOS_BeforeFork()
    pid: int = of_c.syscall(thread.clone, flags, None, None, tid, tid)  # the order of the last two differs by processor
    if pid == 0:
        of_c.syscall(thread.set_robust, robust, size)
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    return pid


def _begun(stdin: int, output: int, life: int) -> dict[str, str]:
    """Lead a session, wait for what it is for, and only then take these descriptors."""
    os.setsid()
    with socket.socket(fileno=life) as parent:
        try:
            parent.sendall(os.getpid().to_bytes(LENGTH, "big"))
            body = _exactly(parent, int.from_bytes(_exactly(parent, LENGTH), "big"))
        except OSError:
            os._exit(1)  # the parent has started the run in another way
    os.dup2(stdin, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for descriptor in (stdin, output):
        os.close(descriptor)
    pairs = (os.fsdecode(each).partition("=") for each in body.split(b"\0"))
    return {name: value for name, _, value in pairs}


def _exactly(parent: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        data = parent.recv(min(size - len(parts), 1 << 20))
        if not data:
            os._exit(1)  # nobody waits for it, and nothing of the file's may happen
        parts += data
    return bytes(parts)


def _mark(address: int, env: Mapping[str, str]) -> None:
    """/proc shows the environment that a process was started with: write the run's mark there, in place."""
    value = os.fsencode(env[MARK])
    if len(value) == len(NOBODY):
        ctypes.memmove(address, value, len(value))


def _finalizers() -> int:
    """How many objects do something when they go, as files do, generators, and what has a `__del__`: of those that were
    not frozen."""
    return sum(map(_minds_its_end, gc.get_objects()))


def _minds_its_end(each: object) -> bool:
    try:
        return hasattr(type(each), "__del__")
    except Exception:  # of a metaclass
        return True


def _end() -> None:
    """End as Python does, but without taking apart what was loaded: that would write into each page of it, and so copy
    it, which takes longer than all else here. An end by an exception takes Python's own way, and so does one of a run
    that leaves objects which do something when they go.
    """
    if (threading := sys.modules.get("threading")) is not None:
        threading._shutdown()  # threads that are no daemons are waited for
    atexit._run_exitfuncs()
    if _finalizers():
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        return  # Python says so itself, and has an exit code for it
    ctypes.PyDLL(None).exit(0)  # as C libraries expect it, who write out what they hold back


if __name__ == "__main__":
    main()
