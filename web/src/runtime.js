// onnxruntime-web in this page: its files from this folder alone, threads where the page may have them.

import * as ort from 'onnxruntime-web/wasm';

/** A file as bytes; one that is packed with gzip is unpacked, whoever has served it. */
export async function bytesOf(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  const buffer = await answer.arrayBuffer();
  const head = new Uint8Array(buffer, 0, Math.min(2, buffer.byteLength));
  if (head[0] !== 0x1f || head[1] !== 0x8b) return buffer;
  const unpacked = new Blob([buffer]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(unpacked).arrayBuffer();
}

/** Get the runtime ready. Returns how many threads it has: more than one only where the page is isolated. */
export async function prepare(base) {
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
  ort.env.wasm.wasmPaths = { mjs: new URL('ort.mjs', base).href };
  ort.env.wasm.wasmBinary = await bytesOf(new URL('ort.wasm.gz', base));
  return ort.env.wasm.numThreads;
}

/** Open networks by name, each once. folder: where they are. files: of networks.json. */
export function opener(folder, files) {
  const opened = new Map();
  return (name) => {
    if (!opened.has(name)) {
      const made = bytesOf(new URL(files[name].file, folder)).then((bytes) =>
        ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ['wasm'] }),
      );
      made.catch(() => opened.delete(name)); // so that a later request tries again
      opened.set(name, made);
    }
    return opened.get(name);
  };
}

/** An array with its shape, as the runtime wants it. */
export const tensor = (data, shape) => new ort.Tensor('float32', data, shape);
