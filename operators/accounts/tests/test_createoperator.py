import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings

from tests.support.servers import ROOT, database_template

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_groups")]


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output, stderr=output)
    return output.getvalue()


def generated_password(output: str) -> str:
    found = re.search(r"Password \(shown only this once\): (\S+)", output)
    assert found is not None
    return found[1]


def test_operator_gets_a_generated_password_and_the_group() -> None:
    output = run("createoperator", "olga", "--generate-password")
    olga = User.objects.get(username="olga")
    assert olga.check_password(generated_password(output))
    assert (olga.is_staff, olga.is_superuser) == (True, False)
    assert [group.name for group in olga.groups.all()] == ["operator"]
    assert "otpauth" not in output


def test_viewer_gets_the_other_group() -> None:
    run("createoperator", "vera", "--viewer", "--generate-password")
    assert [group.name for group in User.objects.get(username="vera").groups.all()] == ["viewer"]


def test_totp_comes_with_a_picture_a_uri_and_backup_codes() -> None:
    output = run("createoperator", "olga", "--generate-password", "--totp")
    assert TOTPDevice.objects.get(user__username="olga").config_url in output
    assert "█" in output
    codes = list(StaticToken.objects.values_list("token", flat=True))
    assert len(set(codes)) == 10
    assert all(code in output for code in codes)
    assert "once ADMIN_REQUIRE_2FA is 1" in output


def test_totp_comes_unasked_where_the_admin_requires_it(settings: Settings) -> None:
    settings.ADMIN_REQUIRE_2FA = True
    assert "otpauth://" in run("createoperator", "olga", "--generate-password")


@pytest.mark.parametrize(
    ("username", "explanation"),
    [
        ("", "blank"),
        ("ol ga", "valid username"),
        ("olga\n", "valid username"),
        ("ol\0ga", "valid username"),
        ("o" * 151, "150 characters"),
    ],
)
def test_bad_username_is_explained(username: str, explanation: str) -> None:
    with pytest.raises(CommandError, match=explanation):
        run("createoperator", username, "--generate-password")
    assert not User.objects.exists()


def test_taken_username_is_explained_and_left_alone() -> None:
    run("createoperator", "olga", "--generate-password")
    before = User.objects.values().get()
    with pytest.raises(CommandError, match="changepassword olga"):
        run("createoperator", "olga", "--generate-password")
    assert User.objects.values().get() == before


def test_missing_group_is_explained() -> None:
    Group.objects.all().delete()
    with pytest.raises(CommandError, match=r"no group operator.*manage\.py migrate"):
        run("createoperator", "olga", "--generate-password")
    assert not User.objects.exists()


def test_password_is_no_argument() -> None:
    with pytest.raises(CommandError, match="unrecognized arguments"):
        run("createoperator", "olga", "--password", "secret")


def test_new_second_factor_for_an_account() -> None:
    User.objects.create_user("olga")
    first, second = run("enroltotp", "olga"), run("enroltotp", "olga")
    assert TOTPDevice.objects.get().config_url in second
    assert TOTPDevice.objects.get().config_url not in first
    assert StaticToken.objects.count() == 10


def test_second_factor_for_nobody_is_explained() -> None:
    with pytest.raises(CommandError, match="createoperator nobody"):
        run("enroltotp", "nobody")


# --- In a process of its own, with a terminal or without --------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = Path(shutil.copy(database_template(), tmp_path / "db.sqlite3"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT OR IGNORE INTO auth_group (name) VALUES ('operator')")
    return f"sqlite:///{path}"


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": url}


class Terminal:
    """A command at a terminal of its own, which is where passwords are asked for."""

    def __init__(self, url: str, *arguments: str) -> None:
        self.master, slave = os.openpty()
        # Tests that run in the background of a script are told to ignore Ctrl-C, and so would the command be.
        command = ["env", "--default-signal=INT", "setsid", "--ctty", "--wait"]
        command += [sys.executable, "manage.py", *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment(url), stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        self.said = ""

    def expect(self, text: str) -> None:
        while text not in self.said:
            self.said += os.read(self.master, 1024).decode()
        self.said = self.said.partition(text)[2]

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def type(self, line: str) -> None:
        self.press(f"{line}\n")

    def end(self) -> int:
        with suppress(OSError):
            while piece := os.read(self.master, 1024):
                self.said += piece.decode()
        os.close(self.master)
        return self.process.wait(30)


def test_password_is_asked_for_until_it_is_good_and_typed_twice(database: str) -> None:
    terminal = Terminal(database, "createoperator", "olga")
    terminal.expect("Password: ")
    terminal.type("olga")
    terminal.expect("too short")
    terminal.expect("Password: ")
    terminal.type("a long enough phrase")
    terminal.expect("again: ")
    terminal.type("another phrase")
    terminal.expect("not the same")
    terminal.expect("Password: ")
    terminal.type("a long enough phrase")
    terminal.expect("again: ")
    terminal.type("a long enough phrase")
    terminal.expect("Created olga in the group operator.")
    assert terminal.end() == 0
    assert "phrase" not in terminal.said


@pytest.mark.parametrize("key", ["\x03", "\x04"])  # Ctrl-C and Ctrl-D
def test_whoever_changes_their_mind_leaves_nothing_behind(database: str, key: str) -> None:
    terminal = Terminal(database, "createoperator", "olga")
    terminal.expect("Password: ")
    terminal.press(key)
    assert terminal.end() == 1
    assert "No account was created." in terminal.said
    assert "Traceback" not in terminal.said


def test_without_a_terminal_a_password_must_be_generated(database: str) -> None:
    command = [sys.executable, "manage.py", "createoperator", "olga"]
    result = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(database),
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 1
    assert result.stderr == "CommandError: There is no terminal to ask for a password. Add --generate-password.\n"


def test_missing_tables_are_explained(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "createoperator", "olga", "--generate-password"]
    result = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(f"sqlite:///{tmp_path}/new.sqlite3"),
    )
    assert result.returncode == 1
    assert "did you run: manage.py migrate" in result.stderr
    assert "Traceback" not in result.stderr
