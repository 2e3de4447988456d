"""Real PostgreSQL and MariaDB servers for tests.

Installed servers are used. If there are none, the Debian packages are unpacked into `.venv/servers`: nothing is
installed, and apt works with separate package lists.
"""

from __future__ import annotations

import ctypes
import fcntl
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus import free_port
from timeouts import TIMEOUT

CACHE = Path(sys.prefix) / "servers"
_PR_SET_PDEATHSIG = 1
_UNNEEDED = ("libllvm", "libperl", "libpython", "libtcl")  # of PostgreSQL's compiler and procedural languages


class MissingError(Exception):
    """The server is neither installed nor downloadable."""


# Finding the programs -----------------------------------------------------------------------------------------


def find_postgres() -> Path:
    """The folder with PostgreSQL's programs."""
    initdb = shutil.which("initdb")
    folders = [os.path.dirname(os.path.realpath(initdb))] if initdb else []
    folders += sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    for folder in folders:
        if os.path.exists(f"{folder}/postgres"):
            return Path(folder)
    root = _unpacked("postgresql", re.compile(r"postgresql-\d+$"))
    return Path(sorted(glob.glob(f"{root}/usr/lib/postgresql/*/bin"))[-1])


def find_mariadb() -> tuple[Path, Path]:
    """MariaDB's server (or MySQL's), and the folder with the SQL that initializes a new one."""
    for name in ("mariadbd", "mysqld"):
        server = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec")
        if server and os.path.exists("/usr/share/mysql/mysql_system_tables.sql"):
            return Path(server), Path("/usr/share/mysql")
    root = _unpacked("mariadb-server-core", re.compile("mariadb-server-core$"))
    return root / "usr/sbin/mariadbd", root / "usr/share/mysql"


def _unpacked(package: str, wanted: re.Pattern[str]) -> Path:
    """The folder with an unpacked Debian package and the libraries that are not installed."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise MissingError(f"{package} is not installed, and there is no apt-get to fetch it with")
    root = CACHE / package
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes run in parallel
        if not (root / "done").exists():
            _fetch(package, wanted, root)
            (root / "done").touch()
    return root


def _fetch(package: str, wanted: re.Pattern[str], root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    archives, lists = root / "archives", root / "lists"
    for folder in (archives, lists / "partial"):
        folder.mkdir(parents=True)
    own = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={root / 'cache'}", "-o", "Debug::NoLocking=1"]
    own += ["-o", "APT::Sandbox::User="]
    try:
        _run("apt-get", *own, "--quiet", "update")
        only = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
        tree = _run("apt-cache", *own, "depends", "--recurse", *only, package)
        names = {line for line in tree.split("\n") if re.match("[a-z]", line)}
        present = _run("dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}${Package}\n").split("\n")
        installed = {line[3:].strip() for line in present if line.startswith("ii")}
        libraries = {name for name in names if name.startswith("lib")} - installed
        fetched = [name for name in names if wanted.match(name)]
        fetched += [name for name in libraries if not name.startswith(_UNNEEDED)]
        subprocess.run(
            ["apt-get", *own, "--quiet", "download", *fetched], cwd=archives, check=True, capture_output=True
        )
        for archive in archives.iterdir():
            _run("dpkg", "-x", str(archive), str(root))
    except subprocess.CalledProcessError as error:
        reason = (error.stderr if isinstance(error.stderr, str) else error.stderr.decode()).strip().split("\n")[-1]
        raise MissingError(f"{package} is not installed, and cannot be fetched: {reason}") from None
    finally:
        for folder in (archives, lists, root / "cache"):
            shutil.rmtree(folder, ignore_errors=True)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# Running the servers --------------------------------------------------------------------------------------------


class Server:
    """A server process with a temporary folder, run as a user other than root."""

    def __init__(self, root: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="assay-db-"))
        self.port = free_port()
        self._root = root
        self._user = "nobody" if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._libraries = _library_path(root)
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)

    def reachable(self, path: Path) -> Path:
        """A folder of programs, or its copy if the server's user cannot access it."""
        parents = [parent for parent in path.parents if not parent.stat().st_mode & 0o001]
        if self._user is None or not parents:
            return path
        copy = self.folder / "programs"
        if not copy.exists():
            shutil.copytree(self._root, copy, symlinks=True)
            self._libraries = _library_path(copy)
        return copy / path.relative_to(self._root)

    def run(self, *command: str | Path, stdin: bytes = b"") -> None:
        """Run a program until it exits."""
        done = subprocess.run(
            [str(part) for part in command],
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            **self._options(),  # type: ignore[call-overload]
        )
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def start(self, ready: str, *command: str | Path) -> None:
        """Start the server and wait until its log contains `ready`."""
        prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

        def end_with_parent() -> None:
            if prctl is not None:
                prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT))

        with open(self.folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,
                **self._options(),  # type: ignore[call-overload]
            )
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            if ready in (self.folder / "log").read_text():
                return
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _options(self) -> dict[str, object]:
        folder = str(self.folder)  # MariaDB removes the temporary tables of others in a shared TMPDIR
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": folder, "TMPDIR": folder, "TZ": "UTC"}
        if self._libraries:
            environment["LD_LIBRARY_PATH"] = self._libraries
        return {"cwd": self.folder, "env": environment, "user": self._user}


def _library_path(root: Path) -> str:
    """The folders below `root` with shared libraries, in the format of LD_LIBRARY_PATH."""
    return ":".join(sorted({str(path.parent) for path in root.glob("**/lib*.so*")}))


def _cache_root(path: Path) -> Path:
    """The unpacked tree that a program belongs to, or a folder without libraries."""
    return CACHE / path.relative_to(CACHE).parts[0] if path.is_relative_to(CACHE) else path


@contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL server; yields the URL of an empty database."""
    programs = find_postgres()
    server = Server(_cache_root(programs))
    try:
        programs = server.reachable(programs)
        data = server.folder / "data"
        (server.folder / "password").write_text("s3cret")
        os.chmod(server.folder / "password", 0o644)
        options = ("--username=tester", "--auth=scram-sha-256", f"--pwfile={server.folder / 'password'}", "--no-sync")
        server.run(programs / "initdb", f"--pgdata={data}", "--encoding=UTF8", "--locale=C", *options)
        settings = ("fsync=off", "max_connections=50", f"unix_socket_directories={server.folder}")
        flags = [part for setting in settings for part in ("-c", setting)]
        server.start(
            "ready to accept connections",
            programs / "postgres",
            "-D",
            data,
            "-h",
            "127.0.0.1",
            "-p",
            str(server.port),
            *flags,
        )
        yield f"postgres://tester:s3cret@127.0.0.1:{server.port}/postgres"
    finally:
        server.stop()


@contextmanager
def mariadb() -> Iterator[str]:
    """Run a MariaDB server; yields the URL of an empty database."""
    program, share = find_mariadb()
    server = Server(_cache_root(program))
    try:
        program = server.reachable(program)
        share = server.reachable(share)
        data = server.folder / "data"
        data.mkdir()
        if os.geteuid() == 0:
            os.chown(data, pwd.getpwnam("nobody").pw_uid, -1)
        messages = next((str(path) for path in (share, Path("/usr/share/mysql")) if (path / "charsets").exists()), "")
        common: list[str | Path] = [
            program,
            "--no-defaults",
            f"--datadir={data}",
            f"--lc-messages-dir={share}",
            *([f"--character-sets-dir={messages}/charsets"] if messages else []),
            "--innodb-buffer-pool-size=16M",
            "--innodb-log-file-size=4M",
            "--innodb-flush-log-at-trx-commit=0",
        ]
        script = "create database mysql;\nuse mysql;\n"
        script += (share / "mysql_system_tables.sql").read_text() + (share / "mysql_system_tables_data.sql").read_text()
        script += "flush privileges;\ncreate user tester@'%' identified by 's3cret';\n"
        script += "grant all on *.* to tester@'%';\ncreate database test character set utf8mb4;\n"
        server.run(*common, "--bootstrap", "--skip-log-bin", stdin=script.encode())
        server.start(
            "ready for connections",
            *common,
            f"--port={server.port}",
            "--bind-address=127.0.0.1",
            f"--socket={server.folder / 'socket'}",
        )
        yield f"mysql://tester:s3cret@127.0.0.1:{server.port}/test"
    finally:
        server.stop()
