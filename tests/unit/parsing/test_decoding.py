from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.parsing.decoding import decode, encoding_of, is_text

JAPANESE = "名前,年齢,住所\n佐藤太郎,30,東京\n三木英子,25,大阪\n髙橋淳,35,名古屋\n"
FRENCH = "L'été dernier, le café était très agréable ; les élèves ont été reçus à Nîmes.\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_european_text_is_read_in_any_usual_encoding(encoding: str) -> None:
    assert decode((FRENCH * 3).encode(encoding)) == FRENCH * 3


def test_shift_jis_is_recognised_without_being_declared() -> None:
    assert decode(JAPANESE.encode("cp932")) == JAPANESE


def test_russian_in_its_code_page_is_not_read_as_western() -> None:
    text = "Барометр следует читать каждое утро на уровне глаз. " * 4
    assert decode(text.encode("cp1251")) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "text",
    [
        JAPANESE,
        "今天天气很好。\n我们去海边看日落。\n" * 5,
        "오늘은 날씨가 좋다.\n바다로 간다.\n" * 5,
        "Барометр читают утром.\n" * 5,
        "يقرأ البارومتر كل صباح.\n" * 5,
        "המד נקרא בכל בוקר.\n" * 5,
        FRENCH,
    ],
)
def test_wide_text_without_a_mark_is_recognised_in_any_script(text: str, encoding: str) -> None:
    assert is_text(text.encode(encoding))
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be", "cp1252"])
def test_the_encoding_of_a_head_reads_the_whole(encoding: str) -> None:
    data = (FRENCH * 2000).encode(encoding)
    text = data.decode(encoding_of(data[:65_537]), "strict")
    assert text.removeprefix("\ufeff") == FRENCH * 2000


def test_a_stray_zero_byte_does_not_make_plain_text_wide() -> None:
    text = "The mercury column must be read daily.\n" * 9
    assert decode((text + "\0" + text).encode()) == text + "\0" + text


def test_ascii_with_zero_bytes_is_not_read_as_chinese() -> None:
    listing = b"src/alpha\0src/beta\0docs/gamma\0" * 9
    assert not is_text(listing)
    assert decode(listing).split("\0")[:2] == ["src/alpha", "src/beta"]


@pytest.mark.parametrize("encoding", ["iso2022_jp", "iso2022_jp_ext"])
def test_japanese_in_seven_bits_is_read_as_mails_carry_it(encoding: str) -> None:
    data = JAPANESE.replace("髙", "高").encode(encoding)
    assert data.isascii()
    for declared in ("", "iso-2022-jp"):
        assert decode(data, declared) == JAPANESE.replace("髙", "高")
    assert data.decode(encoding_of(data)) == JAPANESE.replace("髙", "高")


@pytest.mark.parametrize("encoding", ["hz", "utf-7"])
def test_other_encodings_in_seven_bits_are_read_where_they_are_declared(encoding: str) -> None:
    text = "今天天气很好。\n"
    assert decode(text.encode(encoding), encoding) == text
    assert decode(b"a+b- ~{ plain", "") == "a+b- ~{ plain"


def test_a_declared_encoding_is_used_only_if_the_bytes_fit_it() -> None:
    assert decode("Привет, мир".encode("koi8-r"), "koi8-r") == "Привет, мир"
    assert decode("Grüße".encode(), "shift_jis") == "Grüße"
    assert decode(b"plain", "no-such-encoding") == "plain"


def test_one_broken_byte_does_not_turn_utf8_into_another_encoding() -> None:
    assert decode("äöü ".encode() * 50 + b"\xff") == "äöü " * 50 + "\ufffd"


def test_line_ends_are_made_equal() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"


def test_binary_is_not_text() -> None:
    assert not is_text(bytes(range(256)) * 8)
    assert is_text("日本語".encode("cp932"))
    assert is_text("plain".encode("utf-16-le"))


@given(st.binary(max_size=400))
def test_decoding_never_fails(data: bytes) -> None:
    assert isinstance(decode(data), str)
