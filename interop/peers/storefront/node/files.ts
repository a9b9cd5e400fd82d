// FileService: every method and every error of the contract.
import assert from 'node:assert';
import { createHash } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { all, collect, details, fails, files, flags, is, upload } from './client.ts';
import { check } from './checks.ts';

const CHUNK = 64 * 1024;
const send = (...chunks: any[]) => upload(files, 'UploadFile', chunks);
const download = (file_id: string, offset = 0) => files.DownloadFile({ file_id, offset: String(offset) });

function* pieces(content: Buffer, filename = 'file.bin'): Generator<any> {
  for (let offset = 0; offset === 0 || offset < content.length; offset += CHUNK) {
    const chunk = { content: content.subarray(offset, offset + CHUNK), offset: String(offset) };
    yield offset === 0 ? { ...chunk, filename } : chunk;
  }
}

const content = (length: number) => Buffer.from({ length }, (_, place) => (place ^ (place >> 8) ^ (place >> 16)) & 255);

check('upload and download', async () => {
  const bytes = content(5 * CHUNK + 17);
  const answer = await send(...pieces(bytes, 'ä picture.jpg'));
  assert.strictEqual(answer.size, String(bytes.length));
  assert.strictEqual(answer.checksum, createHash('sha256').update(bytes).digest('hex'));
  for (const offset of [0, 1, CHUNK, bytes.length - 1]) {
    const chunks = await all(download(answer.file_id, offset));
    assert.deepStrictEqual(chunks.map((chunk) => chunk.filename).filter(Boolean), ['ä picture.jpg']);
    assert.strictEqual(chunks[0].filename, 'ä picture.jpg');
    assert.ok(Buffer.concat(chunks.map((chunk) => chunk.content)).equals(bytes.subarray(offset)), 'the bytes');
    assert.ok(chunks.slice(0, -1).every((chunk) => chunk.content.length === CHUNK), 'the size of the chunks');
    assert.strictEqual(chunks[0].offset, String(offset));
  }
});

check('upload: two of one name', async () => {
  const [first, second] = [await send(...pieces(content(3))), await send(...pieces(content(4)))];
  assert.notStrictEqual(first.file_id, second.file_id);
  assert.strictEqual((await all(download(first.file_id)))[0].content.length, 3);
});

check('upload: an empty file, and a download from the very end', async () => {
  for (const length of [0, 10]) {
    const { file_id } = await send(...pieces(content(length), 'name'));
    const chunks = await all(download(file_id, length));
    assert.deepStrictEqual(chunks.map((chunk) => [chunk.filename, chunk.content.length]), [['name', 0]]);
  }
});

check('upload: no chunk, no name', async () => {
  await fails(status.INVALID_ARGUMENT, send());
  await fails(status.INVALID_ARGUMENT, send({ content: content(3) }));
});

check('upload: a hostile name', async () => {
  for (const filename of ['..', '../a', '/etc/passwd', 'a/b', 'a\\b', 'a\0b', 'n'.repeat(10_000)]) {
    const error = await fails(status.INVALID_ARGUMENT, send({ filename, content: content(3) }));
    assert.strictEqual(details(error).BadRequest.field_violations[0].field, 'filename');
  }
});

check('upload: an offset that is not the bytes so far', async () => {
  const first = { filename: 'name', content: content(3) };
  await fails(status.OUT_OF_RANGE, send({ ...first, offset: '1' }));
  await fails(status.OUT_OF_RANGE, send(first, { content: content(3), offset: '4' }));
  await fails(status.OUT_OF_RANGE, send(first, { content: content(3), offset: '-1' }));
});

check('upload: more than the limit', async () => {
  const limit = Number(flags.max_upload);
  const answer = await send(...pieces(Buffer.alloc(limit)));
  assert.strictEqual(answer.size, String(limit));
  await fails(status.RESOURCE_EXHAUSTED, send(...pieces(Buffer.alloc(limit + 1))));
});

check('download: not found', async () => {
  const ended = await collect(download('123'));
  is(status.NOT_FOUND, ended.status, 'File 123 not found');
  assert.strictEqual(details(ended.status).ResourceInfo.resource_name, '123');
  is(status.NOT_FOUND, (await collect(download('../storefront.db'))).status);
});

check('download: an offset beyond the end, and a negative one', async () => {
  const { file_id } = await send(...pieces(content(10)));
  is(status.OUT_OF_RANGE, (await collect(download(file_id, 11))).status);
  is(status.INVALID_ARGUMENT, (await collect(download(file_id, -1))).status);
});
