"""Attacks on the permissions to read and write files, with the real command."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from command import Command
from sandbox_attempts import attempt


@pytest.fixture
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that no test may read or change."""
    path = tmp_path_factory.mktemp("outside") / "secret.txt"
    path.write_text("secret")
    return path


@pytest.fixture
def data(assay: Command) -> Path:
    """The folder that the tests allow."""
    folder = assay.folder / "data"
    folder.mkdir()
    (folder / "inside.txt").write_text("inside")
    return folder


READERS = {
    "fs.read": "return fs.read({path})",
    "fs.read_bytes": "return fs.read_bytes({path})",
    "fs.exists": "return fs.exists({path})",
    "fs.stat": "return fs.stat({path}).size",
    "fs.copy": 'return fs.copy({path}, "data/copy")',
    "template.render": "return template.render({path})",
    "disk.usage": "return disk.usage({path}).total",
    "multipart": 'return http.post("http://127.0.0.1:1", nil, {{multipart = {{{{name = "a", file = {path}}}}}}}).body',
    "file": 'return http.post("http://127.0.0.1:1", nil, {{file = {path}}}).body',
    "ca_cert": 'return http.client({{ca_cert = "@" .. {path}}})',
    "ws": 'return ws.connect("ws://127.0.0.1:1", {{ca_cert = "@" .. {path}}})',
    "tls": 'return temporal.connect({{url = "127.0.0.1:1", tls = {{server_root_ca_cert = "@" .. {path}}}}})',
    "config_file": 'return temporal.connect({{url = "127.0.0.1:1", config_file = {path}}})',
    "cwd": 'return shell.exec("pwd", {{cwd = {path}}})',
    "ssl_ca": 'return db.connect("mysql://127.0.0.1:1/x?ssl_ca=" .. {path})',
    "passfile": 'return db.connect("postgres://127.0.0.1:1/x?passfile=" .. {path})',
    "static": 'return http.serve(0, {{GET = {{["/x"] = {{static = {path}}}}}}})',
}
WRITERS = {
    "fs.write": 'return fs.write({path}, "x")',
    "fs.write_bytes": 'return fs.write_bytes({path}, "x")',
    "fs.copy": 'return fs.copy("data/inside.txt", {path})',
    "fs.chmod": 'return fs.chmod({path}, "600")',
    "fs.mkdir": "return fs.mkdir({path})",
    "sqlite": 'return db.connect("sqlite://" .. {path})',
}
REMOVERS = {
    "fs.remove": "return fs.remove({path})",
    "fs.rename": 'return fs.rename({path}, "data/gone")',
    "fs.rename onto": 'return fs.rename("data/inside.txt", {path})',
}
OTHERS = ("--allow-net", "--allow-run", "--allow-temporal", "--allow-db")


@pytest.mark.parametrize("name", READERS)
class TestReading:
    def test_a_file_outside_is_refused(self, assay: Command, data: Path, secret: Path, name: str) -> None:
        code = READERS[name].format(path=f'"{secret}"')
        found = attempt(assay, code, "--allow-read=data", "--allow-write=data", *OTHERS)
        assert (found.kind, found.flag) == ("denied", f"--allow-read={secret}")
        assert "secret" not in found.message.replace(str(secret), "")

    def test_a_link_out_of_the_folder_is_refused(self, assay: Command, data: Path, secret: Path, name: str) -> None:
        (data / "link").symlink_to(secret)
        code = READERS[name].format(path='"data/link"')
        found = attempt(assay, code, "--allow-read=data", "--allow-write=data", *OTHERS)
        assert (found.kind, found.flag) == ("denied", "--allow-read=data/link")

    def test_a_folder_that_is_a_link_is_refused(self, assay: Command, data: Path, secret: Path, name: str) -> None:
        (data / "link").symlink_to(secret.parent)
        code = READERS[name].format(path='"data/link/secret.txt"')
        assert attempt(assay, code, "--allow-read=data", "--allow-write=data", *OTHERS).kind == "denied"


@pytest.mark.parametrize("name", WRITERS)
class TestWriting:
    def test_a_file_outside_is_refused(self, assay: Command, data: Path, secret: Path, name: str) -> None:
        code = WRITERS[name].format(path=f'"{secret}"')
        found = attempt(assay, code, "--allow-read", "--allow-write=data")
        assert (found.kind, found.flag) == ("denied", f"--allow-write={secret}")
        assert secret.read_text() == "secret"

    def test_a_link_out_of_the_folder_is_refused(self, assay: Command, data: Path, secret: Path, name: str) -> None:
        (data / "link").symlink_to(secret)
        found = attempt(assay, WRITERS[name].format(path='"data/link"'), "--allow-read", "--allow-write=data")
        assert (found.kind, found.flag) == ("denied", "--allow-write=data/link")
        assert secret.read_text() == "secret"

    def test_a_link_to_nothing_is_refused(self, assay: Command, data: Path, secret: Path, name: str) -> None:
        (data / "link").symlink_to(secret.parent / "new")
        found = attempt(assay, WRITERS[name].format(path='"data/link"'), "--allow-read", "--allow-write=data")
        assert found.kind == "denied"
        assert os.listdir(secret.parent) == ["secret.txt"]


@pytest.mark.parametrize("name", REMOVERS)
class TestRemoving:
    def test_a_file_outside_is_refused(self, assay: Command, data: Path, secret: Path, name: str) -> None:
        code = REMOVERS[name].format(path=f'"{secret}"')
        assert attempt(assay, code, "--allow-read", "--allow-write=data").kind == "denied"
        assert secret.read_text() == "secret"

    def test_a_link_in_the_folder_is_what_goes(self, assay: Command, data: Path, secret: Path, name: str) -> None:
        (data / "link").symlink_to(secret)
        code = REMOVERS[name].format(path='"data/link"')
        assert attempt(assay, code, "--allow-read=data", "--allow-write=data").kind == "allowed"
        assert secret.read_text() == "secret"

    def test_a_path_through_a_link_is_refused(self, assay: Command, data: Path, secret: Path, name: str) -> None:
        (data / "link").symlink_to(secret.parent)
        code = REMOVERS[name].format(path='"data/link/secret.txt"')
        assert attempt(assay, code, "--allow-read", "--allow-write=data").kind == "denied"
        assert secret.read_text() == "secret"


class TestFolders:
    def test_a_named_path_is_allowed(self, assay: Command, data: Path) -> None:
        code = 'fs.write("data/new/deep.txt", "x"); return fs.read("data/new/deep.txt") .. fs.read("./data/inside.txt")'
        assert attempt(assay, code, "--allow-read=data", "--allow-write=data")[:2] == ("allowed", "xinside")

    def test_a_name_that_begins_like_the_folder_is_another(self, assay: Command, data: Path) -> None:
        (assay.folder / "database").write_text("x")
        assert attempt(assay, 'return fs.read("database")', "--allow-read=data").kind == "denied"

    def test_dots_lead_nowhere(self, assay: Command, data: Path, secret: Path) -> None:
        up = "data/" + "../" * len(assay.folder.parts)
        assert attempt(assay, f'return fs.read("{up}{secret}")', "--allow-read=data").kind == "denied"

    def test_a_folder_that_is_named_by_a_link_is_what_it_leads_to(self, assay: Command, secret: Path) -> None:
        (assay.folder / "link").symlink_to(secret.parent)
        assert attempt(assay, 'return fs.read("link/secret.txt")', "--allow-read=link")[:2] == ("allowed", "secret")

    def test_glob_does_not_look_outside(self, assay: Command, data: Path, secret: Path) -> None:
        (data / "link").symlink_to(secret.parent)
        shown = "return table.concat(fs.glob({pattern}), ' ')"
        inside = attempt(assay, shown.format(pattern='"data/*"'), "--allow-read=data")
        assert inside[:2] == ("allowed", "data/inside.txt data/link")
        through = attempt(assay, shown.format(pattern='"data/*/*"'), "--allow-read=data")
        assert through[:2] == ("allowed", "")
        guessed = attempt(assay, shown.format(pattern='"data/li*/secret.txt"'), "--allow-read=data")
        assert guessed[:2] == ("allowed", "")
        assert attempt(assay, shown.format(pattern=f'"{secret.parent}/*"'), "--allow-read=data").kind == "denied"

    def test_reading_a_tree_follows_no_link(self, assay: Command, data: Path, secret: Path) -> None:
        (data / "link").symlink_to(secret.parent)
        code = (
            'local n = {}; for _, e in ipairs(fs.readdir("data")) do n[#n + 1] = e.path end return table.concat(n, " ")'
        )
        assert attempt(assay, code, "--allow-read=data")[:2] == ("allowed", "inside.txt link")

    @pytest.mark.parametrize("code", ['return disk.sweep("data", 0)', 'return disk.dir_size("data")'])
    def test_a_folder_that_became_a_link_is_not_entered(
        self, assay: Command, data: Path, secret: Path, code: str
    ) -> None:
        os.utime(secret, (1, 1))
        (assay.folder / "trap").symlink_to(secret.parent)
        swap = (
            'local other = async.spawn(function() fs.rename("data", "old"); fs.rename("trap", "data") end);'
            f" local ok, result = pcall(function() {code} end); other:await(); assert(not ok, result); error(result)"
        )
        found = attempt(assay, swap, "--allow-read=.", "--allow-write=.")
        assert found.kind != "allowed"
        assert secret.read_text() == "secret"

    @pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/self/cmdline", "/dev/zero", "/sys/kernel"])
    def test_the_systems_own_folders_have_to_be_named(self, assay: Command, path: str) -> None:
        assert attempt(assay, f'return fs.exists("{path}")', "--allow-read").kind == "denied"
        assert attempt(assay, f'return fs.exists("{path}")', "--allow-read=/").kind == "denied"

    def test_the_null_device_is_harmless(self, assay: Command) -> None:
        assert attempt(assay, 'return fs.write("/dev/null", "x")', "--allow-write").kind == "allowed"

    def test_a_link_in_proc_is_followed(self, assay: Command, data: Path, secret: Path) -> None:
        assert attempt(assay, f'return fs.read("/proc/self/root{secret}")', "--allow-read=data").kind == "denied"
        assert attempt(assay, 'return fs.read("/proc/self/cwd/data/inside.txt")', "--allow-read=data").kind == "allowed"


class TestTemplates:
    def test_an_include_needs_the_right_too(self, assay: Command) -> None:
        (assay.folder / "page.html").write_text('{% include "part.html" %}')
        (assay.folder / "part.html").write_text("part")
        found = attempt(assay, 'return template.render("page.html")', "--allow-read=page.html")
        assert (found.kind, found.flag) == ("denied", "--allow-read=part.html")
        assert attempt(assay, 'return template.render("page.html")', "--allow-read=.").flag == "part"

    def test_an_include_through_a_link_is_no_way_out(self, assay: Command, data: Path, secret: Path) -> None:
        (data / "page.html").write_text('{% include "link.html" %}')
        (data / "link.html").symlink_to(secret)
        found = attempt(assay, 'return template.render("data/page.html")', "--allow-read=data")
        assert found.kind != "allowed"
        assert "secret" not in found.flag + found.message.replace(str(secret), "")


class TestModules:
    @pytest.mark.parametrize("path", ["secret/?", "secret/file.txt", "./secret/?.lua;./?.lua"])
    def test_a_path_of_the_script_needs_the_right(self, assay: Command, path: str) -> None:
        (assay.folder / "secret").mkdir()
        for name in ("file", "file.txt", "file.lua"):
            (assay.folder / "secret" / name).write_text("return 'secret'")
        code = f'package.path = "{path}"; return require("file")'
        found = attempt(assay, code)
        assert (found.kind, found.flag.partition("=")[0]) == ("denied", "--allow-read")
        assert attempt(assay, code, "--allow-read=secret").flag == "secret"

    def test_a_file_beside_the_script_that_is_no_module_needs_it(self, assay: Command) -> None:
        (assay.folder / ".env").write_text("KEY = 'secret'")
        assert attempt(assay, 'package.path = ".env"; return require("x")').kind == "denied"

    def test_no_search_shows_whether_a_file_exists(self, assay: Command) -> None:
        for path in ("/etc/passwd", "/etc/nothing"):
            found = attempt(assay, f'return package.searchpath("x", "{path}")')
            assert (found.kind, found.flag) == ("denied", f"--allow-read={path}")

    def test_modules_beside_the_script_are_part_of_it(self, assay: Command) -> None:
        (assay.folder / "modules").mkdir()
        (assay.folder / "modules" / "tool.lua").write_text("return 'tool'")
        assert attempt(assay, 'return require("tool")')[:2] == ("allowed", "tool")

    def test_a_module_that_is_a_link_out_of_the_folder_is_refused(self, assay: Command, secret: Path) -> None:
        (assay.folder / "tool.lua").symlink_to(secret)
        found = attempt(assay, 'return require("tool")')
        assert (found.kind, found.flag) == ("denied", "--allow-read=./tool.lua")
        assert "secret" not in found.message

    def test_the_search_path_is_that_of_the_user(self, assay: Command, secret: Path) -> None:
        (secret.parent / "tool.lua").write_text("return 'tool'")
        setting = f'env.set("ASSAY_MODULES_PATH", "{secret.parent}"); return require("tool")'
        found = attempt(assay, setting, "--allow-env")
        assert (found.kind, found.flag) == ("denied", "--allow-env=ASSAY_MODULES_PATH")
        assay.environment["ASSAY_MODULES_PATH"] = str(secret.parent)
        assert attempt(assay, 'return require("tool")').flag == "tool"


class TestSqlite:
    @pytest.fixture
    def other(self, secret: Path) -> Path:
        path = secret.parent / "other.db"
        with sqlite3.connect(path) as made:
            made.execute("CREATE TABLE t (x)")
            made.execute("INSERT INTO t VALUES ('secret')")
        made.close()
        return path

    def test_a_file_needs_both_rights(self, assay: Command, data: Path) -> None:
        code = 'return db.query(db.connect("sqlite://data/a.db"), "SELECT 1 AS x")[1].x'
        assert attempt(assay, code, "--allow-read=data", "--allow-write=data")[:2] == ("allowed", "1")
        assert attempt(assay, code, "--allow-read=data")[:2] == ("denied", "--allow-write=data/a.db")
        assert attempt(assay, code, "--allow-write=data")[:2] == ("denied", "--allow-read=data/a.db")
        assert attempt(assay, code.replace("a.db", "a.db?mode=ro"), "--allow-read=data").kind == "allowed"

    def test_a_nul_ends_no_path(self, assay: Command, data: Path, other: Path) -> None:
        code = f'return db.connect("sqlite://{other}%00/../../{data}/a.db?mode=ro")'
        assert attempt(assay, code, f"--allow-read={data},{assay.folder}").kind == "denied"

    def test_memory_needs_nothing(self, assay: Command) -> None:
        code = 'return db.query(db.connect("sqlite::memory:"), "SELECT 1 AS x")[1].x'
        assert attempt(assay, code)[:2] == ("allowed", "1")

    @pytest.mark.parametrize(
        "statement",
        [
            "ATTACH '{path}' AS o",
            "ATTACH DATABASE 'file:{path}?mode=rw' AS o",
            "ATTACH 'file://{path}' AS o",
            "ATTACH 'FILE://localhost{path}' AS o",
            "ATTACH 'file:/%2e{path}' AS o",
            "ATTACH '{folder}/' || 'other.db' AS o",
            "/* a */ attach database\n'{path}' as o",
            "VACUUM INTO '{folder}/stolen.db'",
            "PRAGMA temp_store_directory = '{folder}'",
        ],
    )
    def test_statements_open_no_other_file(self, assay: Command, data: Path, other: Path, statement: str) -> None:
        sql = statement.format(path=other, folder=other.parent)
        code = (
            'local c = db.connect("sqlite://data/a.db"); db.execute(c, "CREATE TABLE IF NOT EXISTS t (x)");'
            f' db.execute(c, [[{sql}]]); return db.query(c, "SELECT x FROM o.t")[1].x'
        )
        found = attempt(assay, code, "--allow-read=data", "--allow-write=data")
        assert found.kind == "denied"
        assert sorted(os.listdir(other.parent)) == ["other.db", "secret.txt"]

    def test_a_parameter_is_no_way_around(self, assay: Command, data: Path, other: Path) -> None:
        code = f'local c = db.connect("sqlite::memory:"); return db.execute(c, "ATTACH ? AS o", {{"{other}"}})'
        assert attempt(assay, code, "--allow-read=data", "--allow-write=data").kind == "denied"

    def test_a_prepared_statement_is_asked_for_again(self, assay: Command, data: Path, other: Path) -> None:
        shutil.copy(other, data / "b.db")
        (data / "link").symlink_to(other)
        code = (
            'local c, attach = db.connect("sqlite::memory:"), "ATTACH \'data/b.db\' AS ?";'
            ' db.execute(c, attach, {"o"});'
            ' fs.rename("data/link", "data/b.db"); db.execute(c, attach, {"p"});'
            ' return db.query(c, "SELECT x FROM p.t")[1].x'
        )
        assert attempt(assay, code, "--allow-read=data", "--allow-write=data").kind == "denied"

    def test_an_allowed_file_can_be_attached(self, assay: Command, data: Path, other: Path) -> None:
        code = (
            f'local c = db.connect("sqlite::memory:"); db.execute(c, "ATTACH \'{other}\' AS o");'
            ' return db.query(c, "SELECT x FROM o.t")[1].x'
        )
        options = (f"--allow-read={other}", f"--allow-write={other}")
        assert attempt(assay, code, *options)[:2] == ("allowed", "secret")


class TestSettings:
    @pytest.mark.parametrize(
        "code",
        [
            'return fs.write("assay.toml", "")',
            'return fs.write("sub/ASSAY.toml", "")',
            'return fs.copy("data/inside.txt", "assay.toml")',
            'return fs.rename("data/inside.txt", "assay.toml")',
            'return fs.remove("assay.toml")',
            'return fs.remove("../" .. "x" .. "/..")',
            'return disk.sweep(".", 0)',
            'return db.connect("sqlite://assay.toml")',
        ],
    )
    def test_no_script_changes_what_it_may_do(self, assay: Command, data: Path, code: str) -> None:
        text = "[permissions]\nread = true\nwrite = true\n"
        (assay.folder / "assay.toml").write_text(text)
        os.utime(assay.folder / "assay.toml", (1, 1))
        assert attempt(assay, code).kind in ("denied", "error")
        assert (assay.folder / "assay.toml").read_text() == text
