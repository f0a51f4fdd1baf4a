"""A full disk ends a command in a sentence, whichever file was being written."""

import errno
import os
import threading

import pytest

from saddlepoint.commands import command_line
from saddlepoint.errors import DiskFull, RequestError
from saddlepoint.files import disk_space


def write_without_room(*name: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *name)


def write_to_what_is_closed() -> None:
    raise OSError("Writer is closed")


@pytest.fixture
def ends(monkeypatch) -> list:
    monkeypatch.setattr(command_line, "_ends", [])
    return command_line._ends


def test_any_file_that_finds_no_room_ends_a_command_with_exit_code_5(ends, capsys):
    with command_line.reported():
        write_without_room()
    assert [end.exit_code for end in ends] == [5]
    assert "cannot be written: No space left on device. Make room" in capsys.readouterr().err


def test_the_file_is_named_where_the_system_names_it(ends, capsys):
    with command_line.reported():
        write_without_room("samples/a.png")
    assert "samples/a.png cannot be written" in capsys.readouterr().err


def test_the_fullest_sentence_is_said_although_noting_it_down_failed_too(ends, capsys):
    with command_line.reported():
        try:
            try:
                raise DiskFull("last.ckpt cannot be written")
            except DiskFull as full:
                raise DiskFull("last.ckpt cannot be written, and the one before is whole") from full
        except DiskFull:
            write_without_room()
    assert capsys.readouterr().err == "last.ckpt cannot be written, and the one before is whole\n"
    assert isinstance(ends[0], DiskFull)


def test_a_closed_writer_is_explained_by_what_closed_it(ends):
    with command_line.reported():
        try:
            write_without_room()
        except OSError:
            write_to_what_is_closed()
    assert isinstance(ends[0], DiskFull)


def test_a_thread_that_finds_no_room_is_quiet_since_its_user_will_raise_it(capsys, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", command_line.report_thread_failure)
    for write in (write_without_room, write_to_what_is_closed):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    said = capsys.readouterr().err
    assert "No space" not in said and "Writer is closed" in said, "other errors keep their traceback"


def test_other_errors_keep_their_traceback_and_refusals_their_words(ends, capsys):
    with pytest.raises(PermissionError), command_line.reported():
        raise PermissionError(errno.EACCES, "no")
    with command_line.reported():
        try:
            write_without_room()
        except OSError as error:
            raise RequestError("output=a.png cannot be written") from error
    assert [end.exit_code for end in ends] == [2]


def test_naming_says_which_file_and_what_is_free(tmp_path):
    with pytest.raises(DiskFull, match=r"table.csv cannot be written: No space left on device, [\d.,]+ MB are free"), \
            disk_space.report_full_disk(tmp_path / "table.csv"):
        write_without_room()
