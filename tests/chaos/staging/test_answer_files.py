from chaos.load.answer import Exchange
from chaos.staging.answer_files import AnswerReader, AnswerWriter


def exchange(index):
    return Exchange(index, f"row/{index}", 0.0, 0.0, 1.0, 200, b"HTTP/1.1 200 OK", b'{"predictions": [0.5]}')


def written(directory, numbers, **limits):
    writer = AnswerWriter(directory, **limits)
    for index in numbers:
        writer(exchange(index))
    writer.close()


def read(reader):
    return [answer.index for answer in reader.read()]


def test_each_answer_is_read_once_over_several_files_and_after_a_restart(tmp_path):
    reader = AnswerReader(tmp_path)
    written(tmp_path, range(5), lines_max=2)
    assert read(reader) == [0, 1, 2, 3, 4]
    assert read(reader) == []
    written(tmp_path, range(5, 8), lines_max=2)  # another writer
    assert read(AnswerReader(tmp_path, reader.segment, reader.offset)) == [5, 6, 7]


def test_a_line_that_is_not_complete_yet_is_left_for_later(tmp_path):
    written(tmp_path, range(2))
    [file] = tmp_path.glob("answers-*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    reader = AnswerReader(tmp_path)
    assert read(reader) == [0]
    file.write_bytes(whole)
    assert read(reader) == [1]


def test_old_files_are_deleted_and_a_late_reader_goes_on_with_the_oldest(tmp_path):
    written(tmp_path, range(10), lines_max=2, files_max=2)
    assert len(list(tmp_path.glob("answers-*.jsonl"))) == 2
    assert read(AnswerReader(tmp_path, 1, 0)) == [6, 7, 8, 9]
