import os

from desk.pictures.kept_files import KeptFiles

KEYS = [f"http://museum.example/{number}" for number in range(40)]


def sizes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_was_put_is_got_also_by_another_process(tmp_path):
    KeptFiles(tmp_path, most_bytes=1_000).put(KEYS[0], b"picture")
    assert KeptFiles(tmp_path, most_bytes=1_000).get(KEYS[0]) == b"picture"
    assert KeptFiles(tmp_path, most_bytes=1_000).get(KEYS[1]) is None


def test_no_part_of_a_name_comes_from_outside(tmp_path):
    kept = KeptFiles(tmp_path / "kept", most_bytes=1_000)
    kept.put("../../etc/passwd\0", b"x")
    assert kept.get("../../etc/passwd\0") == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_the_ones_unused_for_longest_go_first(tmp_path):
    kept = KeptFiles(tmp_path, most_bytes=1_000)
    for age, key in enumerate(KEYS):
        kept.put(key, b"x" * 50)
        for path in tmp_path.rglob("*"):
            if path.is_file() and path.stat().st_mtime > 1e9:
                os.utime(path, (age, age))
        kept.get(KEYS[0])  # which is used all the time
    assert sizes(tmp_path) <= 1_050
    assert kept.get(KEYS[0])
    assert kept.get(KEYS[1]) is None
    assert kept.get(KEYS[-1])
