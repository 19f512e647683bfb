// A worker that fetches into the sandbox and says how long that took. It fetches `url` with a given number of streams,
// each with its own range. Or it fetches each of `urls` into its own file, a given number at once. It does what a
// careful page would: synchronous handles, writes of 256 KiB, and nothing else in memory.
const PIECE = 256 * 1024;
// Files that are being opened. Chromium holds them weakly meanwhile: a collected handle never opens
// (`FileSystemFileHandle::createSyncAccessHandle`).
const opening = new Set();

onmessage = ({ data }) => (data.urls ? fetchMany : fetchAll)(data).then(postMessage, (error) => postMessage({ error: String(error) }));

async function fetchAll({ url, size, streams }) {
  const root = await navigator.storage.getDirectory();
  const handle = await open(root, "bench.bin");
  const began = performance.now();
  const share = Math.ceil(size / streams);
  const parts = Array.from({ length: streams }, (_, index) => [index * share, Math.min(size, (index + 1) * share)]);
  await Promise.all(parts.map(([first, end]) => fetchPart(url, handle, first, end, streams > 1)));
  handle.flush();
  const seconds = (performance.now() - began) / 1000;
  const written = handle.getSize();
  handle.close();
  return { seconds, written };
}

async function fetchMany({ urls, streams }) {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle("bench", { create: true });
  const began = performance.now();
  let next = 0;
  let written = 0;
  const some = async () => {
    while (next < urls.length) {
      const index = next++;
      const answer = await fetch(urls[index], { cache: "no-store" });
      if (answer.status !== 200) throw new Error(`status ${answer.status}`);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const handle = await open(folder, `${index}.bin`);
      written += handle.write(bytes, { at: 0 });
      handle.close();
    }
  };
  await Promise.all(Array.from({ length: streams }, some));
  return { seconds: (performance.now() - began) / 1000, written };
}

async function fetchPart(url, handle, first, end, ranged) {
  const headers = ranged ? { Range: `bytes=${first}-${end - 1}` } : {};
  const answer = await fetch(url, { headers, cache: "no-store" });
  if (answer.status !== (ranged ? 206 : 200)) throw new Error(`status ${answer.status}`);
  const buffer = new Uint8Array(PIECE);
  let at = first;
  let held = 0;
  const write = () => {
    at += handle.write(buffer.subarray(0, held), { at });
    held = 0;
  };
  for await (let chunk of answer.body) {
    while (chunk.length > 0) {
      const take = Math.min(chunk.length, PIECE - held);
      buffer.set(chunk.subarray(0, take), held);
      held += take;
      chunk = chunk.subarray(take);
      if (held === PIECE) write();
    }
  }
  write();
  if (at !== end) throw new Error(`${at - first} of ${end - first} bytes arrived`);
}

async function open(folder, name) {
  const file = await folder.getFileHandle(name, { create: true });
  opening.add(file);
  const handle = await file.createSyncAccessHandle();
  opening.delete(file);
  return handle;
}
