"""The hosts, files and programs that the names in a policy cover."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from assay.errors import DeniedError
from assay.permissions import EVERYTHING, Permissions, paths
from assay.permissions.hosts import Hosts, is_public
from assay.permissions.programs import plain_words


class TestHosts:
    @pytest.mark.parametrize(
        ("named", "host", "port"),
        [
            ("example.com", "example.com", 1),
            ("example.com:80", "EXAMPLE.com.", 80),
            ("*.example.com", "a.b.example.com", 1),
            ("bücher.example", "xn--bcher-kva.example", 1),
            ("xn--bcher-kva.example", "bücher.example", 1),
            ("10.0.0.0/8", "10.1.2.3", 1),
            ("10.0.0.0/8:80", "10.1.2.3", 80),
            ("127.0.0.1", "::ffff:127.0.0.1", 1),
            ("::1", "[::1]", 1),
            ("[::1]:80", "::1", 80),
            ("[fd00::]/8", "fd12::1", 1),
            ("fd00::/8", "fd12::1", 1),
            ("localhost", "127.0.0.1", 1),
            ("localhost:80", "::1", 80),
            ("127.0.0.1:80", "localhost", 80),
        ],
    )
    def test_a_name_covers(self, named: str, host: str, port: int) -> None:
        assert Hosts([named]).covers(host, port)

    @pytest.mark.parametrize(
        ("named", "host", "port"),
        [
            ("example.com", "www.example.com", 1),
            ("example.com", "example.com.evil.org", 1),
            ("example.com:80", "example.com", 81),
            ("*.example.com", "example.com", 1),
            ("*.example.com", "evilexample.com", 1),
            ("*.example.com", "evil.org:7233/x.example.com", 7233),
            ("*.example.com", "evil.org?.example.com", 1),
            ("*.example.com", "evil.org#.example.com", 1),
            ("*.example.com", "evil.org@.example.com", 1),
            ("*.example.com", "evil.org\\.example.com", 1),
            ("10.0.0.0/8", "11.1.2.3", 1),
            ("10.0.0.0/8", "10.example.com", 1),
            ("127.0.0.1", "127.0.0.2", 1),
            ("127.0.0.1", "0.0.0.0", 1),
            ("127.0.0.1:80", "localhost", 81),
            ("localhost", "localhost.example.com", 1),
            ("localhost", "0.0.0.0", 1),
            ("example.com", "", 1),
        ],
    )
    def test_a_name_does_not_cover(self, named: str, host: str, port: int) -> None:
        assert not Hosts([named]).covers(host, port)

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::7f00:1",
            "ff02::1",
        ],
    )
    def test_an_address_that_is_not_public(self, address: str) -> None:
        assert not is_public(ip_address(address))

    @pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111"])
    def test_a_public_address(self, address: str) -> None:
        assert is_public(ip_address(address))

    @pytest.mark.parametrize("text", ["", "*.", "a:b", "a:1:", "a b", "user@a", "http://a", "a/b", "[::1", "a:70000"])
    def test_a_name_that_is_not_a_host_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"expected|port"):
            Hosts([text])


class TestPaths:
    @pytest.fixture
    def checked(self, tmp_path: Path) -> bytes:
        """The path of a file in the folder `inside`, checked by a policy that covers the folder."""
        inside = tmp_path / "inside"
        inside.mkdir()
        (inside / "file").write_text("inside")
        return Permissions(read=[str(inside)]).path("read", os.fsencode(inside / "file"))

    @pytest.fixture
    def swapped(self, tmp_path: Path, checked: bytes) -> Path:
        """The folder `inside`, which became a link to another one after the check."""
        inside, outside = tmp_path / "inside", tmp_path / "outside"
        outside.mkdir()
        (outside / "file").write_text("outside")
        inside.rename(tmp_path / "gone")
        inside.symlink_to(outside)
        return inside

    def test_a_checked_file_is_opened(self, checked: bytes) -> None:
        with paths.open(checked) as file:
            assert file.read() == b"inside"

    @pytest.mark.usefixtures("swapped")
    def test_a_file_in_a_folder_that_became_a_link_is_not_opened(self, checked: bytes) -> None:
        with pytest.raises(OSError, match="inside/file"):
            paths.open(checked)

    def test_a_folder_that_became_a_link_is_not_opened(self, swapped: Path) -> None:
        folder = paths.RealPath(os.fsencode(swapped), b"inside")
        with pytest.raises(OSError, match="inside"), paths.open_folder(folder):
            pass

    @pytest.mark.parametrize("mode", ["wb", "rb", "ab", "xb"])
    def test_a_file_that_became_a_link_is_not_opened(self, tmp_path: Path, mode: str) -> None:
        (tmp_path / "file").write_text("file")
        checked = Permissions(write=[str(tmp_path)]).path("write", os.fsencode(tmp_path / "file"))
        (tmp_path / "file").unlink()
        (tmp_path / "other").write_text("other")
        (tmp_path / "file").symlink_to("other")
        with pytest.raises(OSError, match="file"):
            paths.open(checked, mode)
        assert (tmp_path / "other").read_text() == "other"

    def test_a_path_that_was_checked_for_reading_is_checked_again_for_writing(self, tmp_path: Path) -> None:
        policy = Permissions(read=[str(tmp_path)])
        checked = policy.path("read", os.fsencode(tmp_path))
        with pytest.raises(DeniedError):
            policy.path("write", checked)

    def test_links_in_a_circle_are_not_opened(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        checked = Permissions(read=[str(tmp_path)]).path("read", os.fsencode(tmp_path / "a"))
        with pytest.raises(OSError, match="a"):
            paths.open(checked)


class TestEverything:
    def test_every_path_is_allowed(self) -> None:
        assert EVERYTHING.path("write", b"/proc/self/mem") == b"/proc/self/mem"

    def test_every_host_is_allowed(self) -> None:
        EVERYTHING.check_host("net", "example.com", 1)

    def test_every_variable_may_be_set(self) -> None:
        EVERYTHING.check_variable("PATH", setting=True)

    def test_every_command_runs_in_the_shell(self) -> None:
        assert EVERYTHING.argv(b"a | b", None) == [b"/bin/sh", b"-c", b"a | b"]


class TestPrograms:
    @pytest.mark.parametrize(
        ("command", "words"),
        [
            ("a", ["a"]),
            (" a\tb  c ", ["a", "b", "c"]),
            ("a 'b c' \"d e\" f'g'\"h\"", ["a", "b c", "d e", "fgh"]),
            ("a '' --x=y /z", ["a", "", "--x=y", "/z"]),
            ("a 'b\nc'", ["a", "b\nc"]),
        ],
    )
    def test_a_plain_command_has_words(self, command: str, words: list[str]) -> None:
        assert plain_words(command) == words

    @pytest.mark.parametrize("command", ["", " ", "a\nb", "a;b", "A=b c", "a $b", 'a "$b"', "a 'b", "a\0b", "ä", "a~"])
    def test_other_commands_need_the_shell(self, command: str) -> None:
        assert plain_words(command) is None
