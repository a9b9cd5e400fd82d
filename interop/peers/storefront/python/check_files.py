"""FileService: every method and every error of the contract."""
import hashlib

from file.v1 import file_pb2 as pb

from checks import check
from shop import Code, bad_fields, details, equal, expect, fails, files, flags

CHUNK = 64 * 1024


def upload(*chunks):
    return files.UploadFile(iter(chunks))


def pieces(content, name="file.bin"):
    for offset in range(0, max(len(content), 1), CHUNK):
        filename = name if offset == 0 else ""
        yield pb.FileChunk(content=content[offset:offset + CHUNK], filename=filename, offset=offset)


def download(file_id, offset=0):
    return files.DownloadFile(pb.DownloadFileRequest(file_id=file_id, offset=offset))


def content(length):
    return bytes((place ^ (place >> 8) ^ (place >> 16)) & 255 for place in range(length))


@check("upload and download")
def upload_and_download():
    data = content(5 * CHUNK + 17)
    answer = upload(*pieces(data, "ä picture.jpg"))
    equal((answer.size, answer.checksum), (len(data), hashlib.sha256(data).hexdigest()))
    for offset in (0, 1, CHUNK, len(data) - 1):
        chunks = list(download(answer.file_id, offset))
        equal([chunk.filename for chunk in chunks], ["ä picture.jpg"] + [""] * (len(chunks) - 1))
        expect(b"".join(chunk.content for chunk in chunks) == data[offset:], "the bytes")
        expect(all(len(chunk.content) == CHUNK for chunk in chunks[:-1]), "the size of the chunks")
        equal(chunks[0].offset, offset)


@check("upload: two of one name, an empty file, and a download from the very end")
def upload_edges():
    first, second = upload(*pieces(content(3))), upload(*pieces(content(4)))
    expect(first.file_id != second.file_id, "one file")
    equal(len(next(download(first.file_id)).content), 3)
    for length in (0, 10):
        answer = upload(*pieces(content(length), "name"))
        equal([(chunk.filename, chunk.content) for chunk in download(answer.file_id, length)], [("name", b"")])


@check("upload: what is refused")
def upload_refused():
    fails(Code.INVALID_ARGUMENT, upload)
    for name in ("", "..", "../a", "/etc/passwd", "a/b", "a\\b", "a\0b", "n" * 10_000):
        error = fails(Code.INVALID_ARGUMENT, lambda: upload(pb.FileChunk(filename=name, content=b"abc")))
        equal(bad_fields(error), ["filename"])
    first = pb.FileChunk(filename="name", content=b"abc")
    fails(Code.OUT_OF_RANGE, lambda: upload(pb.FileChunk(filename="name", content=b"abc", offset=1)))
    for offset in (4, -1):
        fails(Code.OUT_OF_RANGE, lambda: upload(first, pb.FileChunk(content=b"abc", offset=offset)))


@check("upload: more than the limit")
def upload_limit():
    limit = int(flags["max_upload"])
    equal(upload(*pieces(bytes(limit))).size, limit)
    fails(Code.RESOURCE_EXHAUSTED, lambda: upload(*pieces(bytes(limit + 1))))


@check("download: what is refused")
def download_refused():
    error = fails(Code.NOT_FOUND, lambda: download("123"), "File 123 not found")
    equal(details(error, "ResourceInfo").resource_name, "123")
    fails(Code.NOT_FOUND, lambda: download("../storefront.db"))
    file_id = upload(*pieces(content(10))).file_id
    fails(Code.OUT_OF_RANGE, lambda: download(file_id, 11))
    fails(Code.INVALID_ARGUMENT, lambda: download(file_id, -1))
