"""Rights that a process gives up for good, on Linux, before it decodes what a stranger brought.

Also a program, ``python -I -S rights.py OPTIONS -- COMMAND``: it gives up rights and becomes the command. It is started
for every film that is written, so it needs nothing of ATVG and little of Python, which takes 12 ms.
"""

import ctypes
import os
import stat
import struct
import sys

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives", "/dev/null", "/dev/urandom")
THREAD = 1 << 24  # bytes of addresses that a thread takes, and libraries start one a core

# Calls that no decoder needs, by their numbers on x86-64 and ARM (0: there is none). Later ones than the kernel's 5.1
# are all refused, as if the kernel were older: among them are io_uring, which passes by any filter, and clone3.
_DENIED = """
socket 41 198, socketpair 53 199, connect 42 203, bind 49 200, listen 50 201, accept 43 202, accept4 288 242,
sendto 44 206, recvfrom 45 207, sendmsg 46 211, recvmsg 47 212, sendmmsg 307 269, recvmmsg 299 243,
fork 57 0, vfork 58 0, ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, tkill 200 130,
rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, setpgid 109 154, setsid 112 157, kcmp 312 272,
bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, keyctl 250 219, add_key 248 217, request_key 249 218,
mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, unshare 272 97, setns 308 268,
name_to_handle_at 303 264, open_by_handle_at 304 265, init_module 175 105, finit_module 313 273,
delete_module 176 106, kexec_load 246 104, kexec_file_load 320 294, reboot 169 142, swapon 167 224, swapoff 168 225,
acct 163 89, quotactl 179 60, personality 135 92, sethostname 170 161, setdomainname 171 162, settimeofday 164 170,
clock_settime 227 112, adjtimex 159 171, clock_adjtime 305 266, syslog 103 116, vhangup 153 58, ioperm 173 0,
iopl 172 0, modify_ldt 154 0, uselib 134 0, lookup_dcookie 212 18,
shmget 29 194, shmat 30 196, shmctl 31 195, msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187,
semget 64 190, semop 65 193, semctl 66 191, semtimedop 220 192, mq_open 240 180, mq_unlink 241 181,
io_setup 206 0, io_submit 209 2, vmsplice 278 75, memfd_create 319 279, setrlimit 160 164, setpriority 141 140,
ioprio_set 251 30, sched_setscheduler 144 119, sched_setparam 142 118, sched_setattr 314 274, migrate_pages 256 238,
move_pages 279 239, chmod 90 0, fchmod 91 52, fchmodat 268 53, chown 92 0, fchown 93 55, lchown 94 0,
fchownat 260 54, setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15,
fremovexattr 199 16, utime 132 0, utimes 235 0, futimesat 261 0, utimensat 280 88, mknod 133 0, mknodat 259 33,
inotify_init 253 0, inotify_init1 294 26, fanotify_init 300 262
"""
# And those that open, make, name or run files, for a decoder that is handed its file open.
_NAMES = """
open 2 0, openat 257 56, creat 85 0, execve 59 221, execveat 322 281, truncate 76 45, rename 82 0, renameat 264 38,
renameat2 316 276, unlink 87 0, unlinkat 263 35, mkdir 83 0, mkdirat 258 34, rmdir 84 0, link 86 0, linkat 265 37,
symlink 88 0, symlinkat 266 36, readlink 89 0, readlinkat 267 78, getdents 78 0, getdents64 217 61, chdir 80 49,
fchdir 81 50, access 21 0, faccessat 269 48, statfs 137 43
"""
_MACHINES = {"x86_64": (0, 0xC000003E, (56, 62, 234, 302, 16)), "aarch64": (1, 0xC00000B7, (220, 129, 131, 261, 29))}
_LATER = 424  # from here on numbers are the same everywhere
_CLONE_THREAD, _TYPES_FOR_US = 0x10000, (0x5412, 0x541C)  # the latter put words into somebody's terminal
_ALLOW, _EPERM, _ENOSYS, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000

_NEW, _ADD, _RESTRICT = 444, 445, 446  # Landlock's calls
_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_ODD = 1 << 6 | 0b1111 << 9  # to make devices, sockets, pipes, links
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | 1 << 15  # what may be asked of a file and not only of a folder
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # how many kinds of access each version knows; later ones 16


def give_up(
    memory: int, cpu: int, written: int, files: int, reads: tuple = (), writes: tuple = (), names: bool = True
) -> list[str]:
    """Gives up whatever this kernel lets a process give up: networks, new processes, other files, endless resources.

    Args:
        memory: bytes of addresses, beside those that threads take.
        cpu: seconds of all its threads.
        written: bytes of the largest file it writes, its standard output among them if that is one; 0 for none.
        files: open at once.
        reads: files and folders that it may open; those it has open already stay so.
        writes: folders in which it may make files.
        names: False: it may not even name a file, nor run one.

    Returns:
        What took effect: of ``"limits"``, ``"calls"`` (seccomp) and ``"files"`` (Landlock).

    Raises:
        OSError: one of `reads` or `writes` is not there, or neither a folder nor a regular file.
    """
    if sys.platform != "linux":
        return []
    import resource

    addresses = memory + THREAD * (os.cpu_count() or 1)
    for kind, most in (
        (resource.RLIMIT_AS, addresses), (resource.RLIMIT_CPU, cpu), (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_NOFILE, files), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    done = ["limits"]
    if _libc().prctl(38, *map(ctypes.c_ulong, (1, 0, 0, 0))):  # no new privileges, which both of the others ask for
        return done
    if _restrict_files(reads, writes):
        done.append("files")
    if _restrict_calls(names):
        done.append("calls")
    return done


def landlock_version() -> int:
    """0 where there is none."""
    return max(0, _call(_NEW, None, 0, 1))


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def _call(number, *arguments):
    longs = [value if value is None or isinstance(value, bytes) else ctypes.c_long(value) for value in arguments]
    return _libc().syscall(ctypes.c_long(number), *longs)


def _restrict_files(reads, writes):
    version = landlock_version()
    if not version:
        return False
    every = (1 << _RIGHTS.get(version, 16)) - 1
    # All of the file system, TCP, and what is not a file but can be named: abstract sockets and signals.
    attributes = struct.pack("QQQ", every, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = _call(_NEW, attributes, len(attributes), 0)
    if rules < 0:
        return False
    for path in SYSTEM:
        if os.path.exists(path):
            _allow(rules, path, every & (_EXECUTE | _READ | _LIST), stat.S_ISCHR)
    for path in reads:
        _allow(rules, path, every & (_EXECUTE | _READ | _LIST), stat.S_ISREG)
    for path in writes:
        _allow(rules, path, every & ~(_EXECUTE | _ODD), stat.S_ISREG)
    done = _call(_RESTRICT, rules, 0) == 0
    os.close(rules)
    return done


def _allow(rules, path, access, wanted):
    """The very file that has this name now: another one that takes the name later is not meant."""
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    mode = os.fstat(place).st_mode
    if not stat.S_ISDIR(mode):
        if not (wanted(mode) or stat.S_ISREG(mode)):
            raise OSError(22, "it is no regular file", path)
        access &= _OF_FILES
    _call(_ADD, rules, 1, struct.pack("=Qi", access, place), 0)
    os.close(place)


def _restrict_calls(names):
    if os.uname().machine not in _MACHINES or sys.maxsize < 1 << 32:
        return False
    program = b"".join(struct.pack("HBBI", *step) for step in _filter(names))
    steps = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(steps))
    return _libc().prctl(22, ctypes.c_ulong(2), filter_) == 0


def _filter(names):
    """The steps of the filter: code, where to go if true and if false (so many steps further), and a value."""
    column, machine, (clone, kill, tgkill, prlimit, ioctl) = _MACHINES[os.uname().machine]
    load, equal, least, has = 0x20, 0x15, 0x35, 0x45

    def answer(value):
        return 0x06, 0, 0, value

    steps = [(load, 0, 0, 4), (equal, 1, 0, machine), answer(_KILL)]
    steps += [(load, 0, 0, 0), (least, 0, 1, _LATER), answer(_ENOSYS)]
    for call in (_DENIED if names else _DENIED + "," + _NAMES).split(","):
        if number := int(call.split()[1 + column]):
            steps += [(equal, 0, 1, number), answer(_EPERM)]
    yes, no = answer(_ALLOW), answer(_EPERM)
    low = [16 + 8 * i for i in range(6)]  # where the lower half of each argument lies
    for number, tests in (
        (clone, [(load, 0, 0, low[0]), (has, 0, 1, _CLONE_THREAD), yes, no]),  # threads, and no processes
        (kill, [(load, 0, 0, low[0]), (equal, 0, 1, os.getpid()), yes, no]),
        (tgkill, [(load, 0, 0, low[0]), (equal, 0, 1, os.getpid()), yes, no]),
        (prlimit, [(load, 0, 0, low[2]), (equal, 0, 3, 0), (load, 0, 0, low[2] + 4), (equal, 0, 1, 0), yes, no]),
        (ioctl, [(load, 0, 0, low[1]), *((equal, 2 - i, 0, _TYPES_FOR_US[i]) for i in range(2)), yes, no]),
    ):
        steps += [(equal, 0, len(tests), number), *tests]
    return [*steps, yes]


def become(command: list[str], limits: dict[str, int], reads: tuple = (), writes: tuple = ()) -> None:
    """Gives up rights and becomes the command, with no environment; or tells on standard error why not, and returns.

    Args:
        limits: memory, cpu, written, files, as `give_up` takes them.
    """
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    try:
        memory, cpu, written, files = (limits[name] for name in ("memory", "cpu", "written", "files"))
        give_up(memory, cpu, written, files, (*reads, command[0]), writes)
        os.execve(command[0], command, {**kept, "MALLOC_ARENA_MAX": "2"})  # fewer addresses for as many threads
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode(errors="replace"))


def main(words: list[str]) -> None:
    """``memory=BYTES cpu=SECONDS written=BYTES files=N read=PATH… write=FOLDER… -- COMMAND…``; it does not return."""
    end = words.index("--")
    options = [word.partition("=")[::2] for word in words[:end]]
    limits = {name: int(dict(options)[name]) for name in ("memory", "cpu", "written", "files")}
    reads, writes = (tuple(value for name, value in options if name == kind) for kind in ("read", "write"))
    become(words[end + 1 :], limits, reads, writes)
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
